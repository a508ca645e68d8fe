//! etcd that lets nobody in without a password.

use etcd_client::{
    Certificate as Pem, Client, ConnectOptions, Error, Identity, Permission, PermissionType,
    RoleGrantPermissionResponse, TlsOptions,
};

use super::{Authority, Certificate, EtcdServers};

impl EtcdServers {
    /// From now on a client needs a user's password: `root` may do everything, `user` only what it
    /// wants with the keys below `/service/`. Both have this password. Servers that want to know a
    /// client by its certificate are shown this one.
    ///
    /// # Panics
    /// When the servers do not do it.
    pub fn demand_password(
        &self,
        certificate: Option<(&Authority, &Certificate)>,
        user: &str,
        password: &str,
    ) {
        let mut options = ConnectOptions::new();
        if let Some((authority, certificate)) = certificate {
            let read =
                |path: &std::path::Path| std::fs::read(path).expect("a certificate was issued");
            let ca = Pem::from_pem(read(&authority.certificate()));
            let (own, key) = (read(&certificate.certificate), read(&certificate.key));
            let tls = TlsOptions::new().ca_certificate(ca);
            options = options.with_tls(tls.identity(Identity::from_pem(own, key)));
        }
        let endpoints = self.endpoints();
        // The caller may be in a runtime, and this one blocks.
        let done = std::thread::scope(|scope| {
            let work = || {
                let runtime = tokio::runtime::Builder::new_current_thread();
                let runtime = { runtime }.enable_all().build();
                let runtime = runtime.expect("a runtime can be made");
                runtime.block_on(protect(&endpoints, options, user, password))
            };
            scope.spawn(work).join()
        });
        let done = done.expect("the thread does not panic");
        done.unwrap_or_else(|error| panic!("etcd takes no users: {error}"));
    }
}

async fn protect(
    endpoints: &[String],
    options: ConnectOptions,
    user: &str,
    password: &str,
) -> Result<RoleGrantPermissionResponse, Error> {
    let mut client = Client::connect(endpoints, Some(options)).await?;
    client.user_add("root", password, None).await?;
    client.user_grant_role("root", "root").await?;
    client.user_add(user, password, None).await?;
    client.role_add("herd").await?;
    let all = Permission::new(PermissionType::Readwrite, "/service/").with_prefix();
    let granted = client.role_grant_permission("herd", all).await?;
    client.user_grant_role(user, "herd").await?;
    client.auth_enable().await?;
    Ok(granted)
}
