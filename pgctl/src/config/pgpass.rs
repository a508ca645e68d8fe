//! The password file of libpq.

use crate::credentials::Credentials;
use crate::upstream::Upstream;

/// One line per host, or `None` without a password. A socket folder also gets a
/// line for `localhost`, the name under which libpq looks for its default folder.
pub(super) fn render(upstream: &Upstream, credentials: &Credentials) -> Option<String> {
    let password = credentials.password.as_ref()?.expose();
    let user = credentials.username.as_deref().unwrap_or("*");
    let mut text = String::new();
    for host in upstream.hosts() {
        let mut hosts = vec![host];
        hosts.extend(host.starts_with('/').then_some("localhost"));
        for host in hosts {
            let fields = [host, &upstream.port.to_string(), "*", user, password].map(escape);
            text.push_str(&fields.join(":"));
            text.push('\n');
        }
    }
    Some(text)
}

fn escape(field: &str) -> String {
    field.replace('\\', "\\\\").replace(':', "\\:")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::Secret;

    #[test]
    fn hosts_have_lines_and_colons_are_escaped() {
        let credentials = Credentials::new("rep:l", Some(Secret::new("a:b\\c")));
        let text = render(&Upstream::new("h1,::1", 5433), &credentials).unwrap();
        assert_eq!(
            text,
            "h1:5433:*:rep\\:l:a\\:b\\\\c\n\\:\\:1:5433:*:rep\\:l:a\\:b\\\\c\n"
        );
    }

    #[test]
    fn a_socket_folder_is_localhost_as_well() {
        let credentials = Credentials::new("r", Some(Secret::new("p")));
        let text = render(&Upstream::new("/tmp", 5433), &credentials).unwrap();
        assert_eq!(text, "/tmp:5433:*:r:p\nlocalhost:5433:*:r:p\n");
    }

    #[test]
    fn without_a_password_there_is_no_file() {
        let credentials = Credentials::new("r", None);
        assert_eq!(render(&Upstream::new("h", 5433), &credentials), None);
    }
}
