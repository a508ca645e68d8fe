//! Guarded writes against a real store.

use herdsman_dcs::test_servers::EtcdServers;
use serde_json::json;

use herdsman_ha_core::schema::key;

use super::*;

fn open(servers: &EtcdServers) -> Cluster {
    let address = servers.endpoint(0);
    let text = format!("{{scope: demo, etcd3: {{url: '{address}'}}}}");
    let settings = ControlSettings::from_text(&text, "test").expect("the settings are good");
    Cluster::open(&settings, None).expect("the names are paths")
}

async fn put(cluster: &Cluster, text: &str) {
    let key = cluster.prefix.key(key::CONFIG).expect("the name is a path");
    let put = cluster
        .store
        .put(None, key, text.into(), Lifetime::Permanent);
    assert!(put.await.expect("the store answers").is_applied());
}

async fn config(cluster: &Cluster) -> (Revision, Value) {
    let view = cluster.view().await.expect("the store answers");
    let config = view.config;
    (
        config.revision.expect("the key is there"),
        config.value.as_deref().expect("it is an object").clone(),
    )
}

#[test]
fn a_configuration_that_changed_meanwhile_is_not_overwritten() {
    let servers = EtcdServers::single();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime can be made").block_on(async {
        let cluster = open(&servers);
        put(&cluster, r#"{"ttl":30}"#).await;
        let (seen, _) = config(&cluster).await;
        put(&cluster, r#"{"ttl":20}"#).await;

        let wanted = json!({"ttl": 30, "pause": true});
        let lost = cluster
            .put_unless_changed(key::CONFIG, Some(seen), &wanted)
            .await;
        assert_eq!(lost.expect("the store answers"), Written::SomebodyElse);
        let (seen, value) = config(&cluster).await;
        assert_eq!(value, json!({"ttl": 20}));

        let wanted = json!({"ttl": 20, "pause": true});
        let won = cluster
            .put_unless_changed(key::CONFIG, Some(seen), &wanted)
            .await;
        assert_eq!(won.expect("the store answers"), Written::Yes);
        assert_eq!(config(&cluster).await.1, wanted);
    });
}
