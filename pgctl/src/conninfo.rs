//! Connection strings for libpq: what a standby and the helper programs read.
//!
//! Invariant: they never hold a password; that is in the password file which they
//! name, and that of a key in a service file. PostgreSQL shows connection strings:
//! a server logs its own when it changes, and programs have it in their arguments.

use std::path::Path;

use crate::credentials::Credentials;
use crate::upstream::Upstream;
use crate::version::Version;

/// What a connection string is made from.
#[derive(Debug)]
pub(crate) struct ConnInfo<'a> {
    pub(crate) upstream: &'a Upstream,
    pub(crate) credentials: &'a Credentials,
    pub(crate) database: &'a str,
    /// The password file, if there is a password in it.
    pub(crate) passfile: Option<&'a Path>,
    pub(crate) application_name: &'a str,
    /// The service with what must not be shown, for a reader that knows its file.
    pub(crate) service: Option<&'a str>,
    /// The version of the libpq that will read it.
    pub(crate) version: Version,
}

/// The keywords that credentials may bring, in the order in which they are
/// written, with the first version that knows them and their default.
const BEFORE_NAME: [(&str, u32, Option<&str>); 7] = [
    ("sslmode", 0, Some("prefer")),
    ("sslcompression", 0, None),
    ("sslcert", 0, None),
    ("sslkey", 0, None),
    ("sslrootcert", 0, None),
    ("sslcrl", 0, None),
    ("sslcrldir", 14, None),
];
const AFTER_NAME: [(&str, u32, Option<&str>); 3] = [
    ("krbsrvname", 0, None),
    ("gssencmode", 12, Some("prefer")),
    ("channel_binding", 13, Some("prefer")),
];

impl ConnInfo<'_> {
    /// The string, always with the same order of keywords, so that equal
    /// settings are equal texts.
    pub(crate) fn render(&self) -> String {
        let mut words = Words::default();
        words.push("dbname", Some(self.database));
        words.push("user", self.credentials.username.as_deref());
        words.push("passfile", self.passfile.and_then(Path::to_str));
        words.push(
            "host",
            Some(&self.upstream.hosts().collect::<Vec<_>>().join(",")),
        );
        words.push("port", Some(&self.upstream.port.to_string()));
        self.push_keywords(&mut words, &BEFORE_NAME);
        words.push("application_name", Some(self.application_name));
        self.push_keywords(&mut words, &AFTER_NAME);
        if self.upstream.read_write_only {
            words.push("target_session_attrs", Some("read-write"));
        }
        self.push_keywords(&mut words, &[("sslnegotiation", 17, Some("postgres"))]);
        words.push("service", self.service);
        words.text
    }

    fn push_keywords(&self, words: &mut Words, keywords: &[(&str, u32, Option<&str>)]) {
        for (name, since, default) in keywords {
            if self.version.major() >= *since {
                words.push(name, self.credential(name).or(*default));
            }
        }
    }

    fn credential(&self, name: &str) -> Option<&str> {
        match name {
            "sslmode" => self.credentials.sslmode.as_deref(),
            _ => self.credentials.keywords.get(name).map(String::as_str),
        }
    }
}

#[derive(Default)]
struct Words {
    text: String,
}

impl Words {
    fn push(&mut self, name: &str, value: Option<&str>) {
        let Some(value) = value.filter(|value| !value.is_empty()) else {
            return;
        };
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        self.text.push_str(name);
        self.text.push('=');
        for character in value.chars() {
            if matches!(character, '\'' | '\\' | ' ') {
                self.text.push('\\');
            }
            self.text.push(character);
        }
    }
}

/// Host and port that a connection string names; `None` without a host.
///
/// Understands what libpq does: `name=value` words, values bare with backslash
/// escapes or in single quotes.
pub(crate) fn endpoint_of(conninfo: &str) -> Option<(String, u16)> {
    let mut characters = conninfo.chars().peekable();
    let (mut host, mut port) = (None, 5432);
    loop {
        while characters.next_if(|next| next.is_whitespace()).is_some() {}
        let mut name = String::new();
        while let Some(next) = characters.next_if(|next| *next != '=') {
            name.push(next);
        }
        if characters.next().is_none() {
            return host.map(|host| (host, port));
        }
        let value = value_of(&mut characters);
        match name.trim() {
            "host" if !value.is_empty() => host = Some(value),
            "port" => port = value.parse().ok()?,
            _ => {}
        }
    }
}

fn value_of(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> String {
    while characters.next_if(|next| next.is_whitespace()).is_some() {}
    let is_quoted = characters.next_if_eq(&'\'').is_some();
    let mut value = String::new();
    while let Some(next) = characters.next() {
        match next {
            '\\' => value.extend(characters.next()),
            '\'' if is_quoted => break,
            next if !is_quoted && next.is_whitespace() => break,
            next => value.push(next),
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::Secret;

    #[test]
    fn host_and_port_are_found_among_other_keywords() {
        let at = |host: &str, port| Some((host.to_owned(), port));
        let text = r"dbname=postgres user=rep\'l passfile=/var/my\ pass host=10.0.0.2 port=5433";
        assert_eq!(endpoint_of(text), at("10.0.0.2", 5433));
        assert_eq!(endpoint_of("host = 'a b' user='x=y'"), at("a b", 5432));
        assert_eq!(endpoint_of("user=x"), None);
        assert_eq!(endpoint_of(""), None);
        assert_eq!(endpoint_of("host=a port=x"), None);
    }

    fn render(credentials: &Credentials, upstream: &Upstream, major: u32) -> String {
        let info = ConnInfo {
            upstream,
            credentials,
            database: "postgres",
            passfile: Some(Path::new("/var/lib/my pass")),
            application_name: "node1",
            service: Some("s"),
            version: Version::from_number(major * 10_000),
        };
        info.render()
    }

    #[test]
    fn keywords_have_one_order_and_no_passwords() {
        let mut credentials = Credentials::new("rep'l", Some(Secret::new("hunter2")));
        credentials.sslmode = Some("require".to_owned());
        credentials.sslpassword = Some(Secret::new("hunter3"));
        for (name, value) in [("sslcrldir", "/crl"), ("sslcert", "/c"), ("unknown", "x")] {
            credentials
                .keywords
                .insert(name.to_owned(), value.to_owned());
        }
        let upstream = Upstream {
            read_write_only: true,
            ..Upstream::new("a, b", 5433)
        };
        assert_eq!(
            render(&credentials, &upstream, 17),
            "dbname=postgres user=rep\\'l passfile=/var/lib/my\\ pass host=a,b port=5433 \
             sslmode=require sslcert=/c sslcrldir=/crl application_name=node1 \
             gssencmode=prefer channel_binding=prefer target_session_attrs=read-write \
             sslnegotiation=postgres service=s"
        );
    }

    #[test]
    fn keywords_that_a_version_does_not_know_are_left_out() {
        let mut credentials = Credentials::system_user();
        credentials
            .keywords
            .insert("sslcrldir".to_owned(), "/crl".to_owned());
        let text = render(&credentials, &Upstream::new("a", 5432), 13);
        assert!(
            !text.contains("sslcrldir") && !text.contains("sslnegotiation"),
            "{text}"
        );
        assert!(!text.contains("user="), "{text}");
    }
}
