//! Certificates for tests, made by the `openssl` command.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Who signs certificates, and the folder that they are in.
pub(crate) struct Authority {
    folder: TempDir,
}

/// A certificate and its key.
pub(crate) struct Issued {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let authority = Self {
            folder: TempDir::new().unwrap(),
        };
        // Two of them have different names, as those of different owners do.
        let name = authority.folder.path().file_name().unwrap();
        let subject = format!("/CN=Authority {}", name.to_string_lossy());
        authority.sign_itself("ca", &subject);
        authority
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// A certificate for alternative names, `IP:127.0.0.1` for example; with none it is as the
    /// manual of PostgreSQL makes them.
    pub(crate) fn issue(&self, name: &str, common_name: &str, names: Option<&str>) -> Issued {
        let issued = self.issued(name);
        let (request, extensions) = (self.path("csr"), self.path("ext"));
        let subject = format!("/CN={common_name}");
        let asked = ["req", "-new", "-subj", &subject];
        run(new_key(&asked, &issued.key).arg("-out").arg(&request));
        let mut sign = openssl(&["x509", "-req", "-CAcreateserial", "-days", "2"]);
        if let Some(names) = names {
            std::fs::write(&extensions, format!("subjectAltName={names}\n")).unwrap();
            sign.arg("-extfile").arg(extensions);
        }
        sign.arg("-in")
            .arg(request)
            .arg("-CA")
            .arg(self.certificate());
        sign.arg("-CAkey").arg(self.path("ca.key"));
        run(sign.arg("-out").arg(&issued.certificate));
        issued
    }

    /// A certificate that nobody else has signed.
    pub(crate) fn sign_itself(&self, name: &str, subject: &str) -> Issued {
        let issued = self.issued(name);
        let made = ["req", "-x509", "-days", "2", "-subj", subject];
        let mut command = new_key(&made, &issued.key);
        run(command.arg("-out").arg(&issued.certificate));
        issued
    }

    /// The key once more, protected by a password.
    pub(crate) fn protect(&self, issued: &Issued, password: &str) -> PathBuf {
        let protected = self.path("protected.key");
        let mut command = openssl(&["pkcs8", "-topk8", "-passout", "env:KEY_PASSWORD"]);
        command
            .env("KEY_PASSWORD", password)
            .arg("-in")
            .arg(&issued.key);
        run(command.arg("-out").arg(&protected));
        protected
    }

    /// The list of those that are revoked, with this one in it.
    pub(crate) fn revoke(&self, issued: &Issued) -> PathBuf {
        let (config, list) = (self.path("ca.conf"), self.path("crl.pem"));
        let index = self.path("index");
        std::fs::write(&index, "").unwrap();
        let number = self.path("crlnumber");
        std::fs::write(&number, "01\n").unwrap();
        let text = format!(
            "[ca]\ndefault_ca = own\n[own]\ndatabase = {}\ncrlnumber = {}\ndefault_md = sha256\n\
             default_crl_days = 2\ncrl_extensions = more\n\
             [more]\nauthorityKeyIdentifier = keyid\n",
            index.display(),
            number.display()
        );
        std::fs::write(&config, text).unwrap();
        let by_authority = |arguments: &[&str]| {
            let mut command = openssl(arguments);
            command.arg("-config").arg(&config);
            command.arg("-cert").arg(self.certificate());
            command.arg("-keyfile").arg(self.path("ca.key"));
            command
        };
        run(by_authority(&["ca"])
            .arg("-revoke")
            .arg(&issued.certificate));
        run(by_authority(&["ca", "-gencrl"]).arg("-out").arg(&list));
        list
    }

    fn issued(&self, name: &str) -> Issued {
        Issued {
            certificate: self.path(&format!("{name}.pem")),
            key: self.path(&format!("{name}.key")),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn openssl(arguments: &[&str]) -> Command {
    let mut command = Command::new("openssl");
    command.args(arguments);
    command
}

/// A command that makes a key beside what it makes.
fn new_key(arguments: &[&str], key: &Path) -> Command {
    let mut command = openssl(arguments);
    let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
    command.args(curve).arg("-nodes").arg("-keyout").arg(key);
    command
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} has failed:\n{said}");
}
