//! Where the store is and how it is spoken to, in every spelling.

use herdsman_agent::settings::{
    ControlSettings, EtcdDiscovery, EtcdProtocol, EtcdSection, EtcdSrv, Settings,
};

use super::{after, warnings};

fn addresses(settings: &Settings) -> Vec<String> {
    settings
        .store
        .etcd()
        .expect("this is the store")
        .hosts
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn etcd_servers_are_read_from_every_form() {
    let hosts = "{hosts: [\"10.0.0.11:2379\", \"10.0.0.12:2379\"]}";
    let table: [(&str, &[&str]); 8] = [
        ("{host: a}", &["a:2379"]),
        ("{host: 'a:1'}", &["a:1"]),
        ("{host: a, port: 7}", &["a:7"]),
        ("{hosts: 'a:1, b, '}", &["a:1", "b:2379"]),
        ("{hosts: [a, 'b:1'], port: '2380'}", &["a:2380", "b:1"]),
        ("{hosts: ['[::1]:2379']}", &["[::1]:2379"]),
        ("{url: 'http://a'}", &["a:2379"]),
        ("{url: 'http://a:1/x', hosts: 'b:2'}", &["a:1"]),
    ];
    for (written, expected) in table {
        assert_eq!(addresses(&after(hosts, written)), expected, "{written}");
    }
}

#[test]
fn etcd_user_comes_from_the_url_or_the_keys() {
    let hosts = "{hosts: [\"10.0.0.11:2379\", \"10.0.0.12:2379\"]}";
    for written in [
        "{url: 'http://u:p@a:1'}",
        "{host: 'a:1', username: u, password: p}",
        "{url: 'http://u:p@a:1', username: other, password: other}",
    ] {
        let etcd = after(hosts, written)
            .store
            .etcd()
            .expect("this is the store")
            .clone();
        assert_eq!(etcd.username.as_deref(), Some("u"), "{written}");
        let password = etcd.password.as_ref().map(|secret| secret.expose());
        assert_eq!(password, Some("p"), "{written}");
    }
    let proxied = after(hosts, "{proxy: 'http://a:1'}")
        .store
        .etcd()
        .expect("this is the store")
        .clone();
    assert_eq!(proxied.discovery, EtcdDiscovery::ListedOnly);
    let listed = after("etcd3: {", "etcd3: {use_proxies: on, ")
        .store
        .etcd()
        .expect("this is the store")
        .clone();
    assert_eq!(listed.discovery, EtcdDiscovery::ListedOnly);
}

#[test]
fn etcd_is_spoken_to_as_protocol_url_and_files_say() {
    let hosts = "{hosts: [\"10.0.0.11:2379\", \"10.0.0.12:2379\"]}";
    let read = |written: &str| {
        let settings = after(hosts, written);
        let etcd = settings.store.etcd().expect("this is the store").clone();
        (etcd, warnings(&settings))
    };
    let files = "protocol: https, cacert: /ca, cert: /c, key: /k, key_password: 1234";
    let (etcd, told) = read(&format!("{{host: a, {files}}}"));
    assert_eq!(etcd.protocol, EtcdProtocol::Https);
    let expected = [Some("/ca".into()), Some("/c".into()), Some("/k".into())];
    assert_eq!([etcd.tls.cacert, etcd.tls.cert, etcd.tls.key], expected);
    let password = etcd.tls.key_password.expect("it is given");
    assert_eq!(password.expose(), "1234");
    assert_eq!(told, [""; 0]);
    let (etcd, _) = read("{url: 'https://u:p@a:1', protocol: http}");
    assert_eq!(etcd.protocol, EtcdProtocol::Https);
    let (_, told) = read("{host: a, cacert: /ca, key: /k}");
    assert_eq!(
        told,
        [
            "n1.yml:5:36: etcd3.key: has no effect without cert, the certificate that it belongs to",
            "n1.yml:5:26: etcd3.cacert: has no effect, as protocol is http: write https",
        ]
    );
    let (etcd, told) = read("{srv: example.org, srv_suffix: two, cacert: /ca}");
    let srv = EtcdSrv {
        domain: "example.org".to_owned(),
        suffix: Some("two".to_owned()),
    };
    assert_eq!((etcd.srv, etcd.hosts, told), (Some(srv), vec![], vec![]));
    let (etcd, _) = read("{discovery_srv: example.org, host: a}");
    assert_eq!(etcd.hosts.len(), 1);
    assert!(etcd.srv.is_some_and(|srv| srv.suffix.is_none()));
}

#[test]
fn zookeeper_is_encrypted_when_it_is_asked_for() {
    let read = |section: &str| {
        let text = format!("scope: demo\nzookeeper: {section}\n");
        let settings = ControlSettings::from_text(&text, "n1.yml").expect("it is good");
        let told: Vec<String> = settings.warnings.iter().map(ToString::to_string).collect();
        (
            settings
                .store
                .zookeeper()
                .expect("this is the store")
                .tls
                .clone(),
            told,
        )
    };
    let (tls, told) = read("{hosts: a, use_ssl: on, cacert: /ca, cert: /c}");
    let tls = tls.expect("it is wanted");
    assert!(tls.is_verified && tls.files.key.is_none());
    assert_eq!(told, [""; 0]);
    let (tls, told) = read("{hosts: a, use_ssl: true, verify: false}");
    assert!(tls.is_some_and(|tls| !tls.is_verified));
    assert!(
        told[0].contains("zookeeper.verify: whoever is in the network"),
        "{told:?}"
    );
    let (tls, told) = read("{hosts: a, use_ssl: on, cert: /c, key_password: hunter2}");
    let tls = tls.expect("it is wanted");
    let password = tls
        .files
        .key_password
        .as_ref()
        .map(|secret| secret.expose());
    assert_eq!((password, told), (Some("hunter2"), vec![]));
    assert!(!format!("{tls:?}").contains("hunter2"));
    let (tls, _) = read("{hosts: a, use_ssl: on, cert: /c, key_password: ''}");
    assert!(tls.is_some_and(|tls| tls.files.key_password.is_none()));
    let (tls, told) = read("{hosts: a, cacert: /ca}");
    assert_eq!(tls, None);
    assert!(
        told[0].contains("has no effect, as use_ssl is off"),
        "{told:?}"
    );
}

#[test]
fn the_old_etcd_section_is_read_with_a_warning() {
    let settings = after("etcd3: {", "etcd: {");
    assert_eq!(
        settings.store.etcd().expect("this is the store").section,
        EtcdSection::Etcd
    );
    assert_eq!(
        warnings(&settings),
        [
            "n1.yml:5:7: etcd: is read through version 3 of etcd's interface; a Patroni member with \
          this section uses version 2 and other keys, so change the whole cluster to etcd3 before \
          members are mixed"
        ]
    );
}
