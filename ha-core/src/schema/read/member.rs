//! A member's key: by far the one that is read most often, so it is read in one pass, without a tree
//! of all that it says.

use alloc::borrow::{Cow, ToOwned};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use core::fmt;
use core::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::RawEntry;
use crate::config::truth;
use crate::tags::Tags;
use crate::value::{InstanceId, Lsn, SessionName, Timeline};
use crate::view::MemberView;

/// What the key says, and why it does not say what it should.
pub(super) fn read(text: &str, entry: &RawEntry<'_>) -> (MemberView, Option<String>) {
    let mut view = MemberView {
        revision: entry.modified,
        session: entry.session.map(SessionName::from),
        text: text.to_owned(),
        ..MemberView::default()
    };
    if text.starts_with("postgres") {
        // The oldest form: a connection URL with the API's address as its `application_name`.
        view.endpoint = endpoint(text);
        view.api_url = text
            .split_once("application_name=")
            .map(|(_, url)| url.split('&').next().unwrap_or_default().to_owned());
        return (view, None);
    }
    let doubt = match serde_json::from_str(text) {
        Err(error) => Some(format!("it is not JSON: {error}")),
        Ok(Found::Other) => Some("it is no JSON object".to_owned()),
        Ok(Found::Object(fields)) => {
            let wrong = fields.of_wrong_type();
            fields.tell(&mut view);
            wrong.map(|field| format!("its field {field} is of the wrong type"))
        }
    };
    (view, doubt)
}

/// A value of any kind.
enum Found<'a> {
    Object(Box<Fields<'a>>),
    Other,
}

/// The fields that decisions rest on.
#[derive(Default)]
struct Fields<'a> {
    conn_url: Text<'a>,
    conn_kwargs: Option<Value>,
    api_url: Text<'a>,
    state: Text<'a>,
    role: Text<'a>,
    timeline: Number,
    xlog_location: Number,
    receive_lsn: Number,
    replay_lsn: Number,
    replication_state: Text<'a>,
    pending_restart: Option<Value>,
    checkpoint_after_promote: Option<Value>,
    tags: Option<Value>,
    herdsman: Option<Value>,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Field {
    ConnUrl,
    ConnKwargs,
    ApiUrl,
    State,
    Role,
    Timeline,
    XlogLocation,
    ReceiveLsn,
    ReplayLsn,
    ReplicationState,
    PendingRestart,
    CheckpointAfterPromote,
    Tags,
    Herdsman,
    #[serde(other)]
    Other,
}

impl Fields<'_> {
    fn of_wrong_type(&self) -> Option<&'static str> {
        let is_no_object = |value: &Value| !value.is_null() && !value.is_object();
        let wrong = [
            ("conn_url", self.conn_url.is_wrong()),
            ("api_url", self.api_url.is_wrong()),
            ("state", self.state.is_wrong()),
            ("role", self.role.is_wrong()),
            ("timeline", self.timeline == Number::Wrong),
            ("xlog_location", self.xlog_location == Number::Wrong),
            ("tags", self.tags.as_ref().is_some_and(is_no_object)),
        ];
        let mut wrong = wrong.into_iter().filter(|(_, is_wrong)| *is_wrong);
        wrong.next().map(|(field, _)| field)
    }

    fn tell(self, view: &mut MemberView) {
        let conn_url = self.conn_url.said();
        view.endpoint = conn_url
            .as_deref()
            .and_then(endpoint)
            .or_else(|| address(self.conn_kwargs.as_ref()?));
        view.api_url = self.api_url.said().map(Cow::into_owned);
        view.state = self.state.said().unwrap_or_default().into_owned();
        view.role = self.role.said().unwrap_or_default().into_owned();
        view.timeline = self
            .timeline
            .said()
            .and_then(|number| u32::try_from(number).ok())
            .filter(|number| *number > 0)
            .map(Timeline);
        view.xlog_location = self.xlog_location.said().map(Lsn);
        view.receive_lsn = self.receive_lsn.said().map(Lsn);
        view.replay_lsn = self.replay_lsn.said().map(Lsn);
        view.replication_state = self.replication_state.said().map(Cow::into_owned);
        let pending = self.pending_restart.as_ref();
        view.pending_restart = pending.and_then(truth).unwrap_or(false);
        let checkpoint = self.checkpoint_after_promote.as_ref();
        view.checkpoint_after_promote = checkpoint.and_then(Value::as_bool);
        if let Some(Value::Object(tags)) = &self.tags {
            view.tags = Tags::read(tags);
        }
        let instance = self.herdsman.as_ref().and_then(|ours| ours.get("instance"));
        view.instance = instance.and_then(Value::as_str).map(InstanceId::from);
    }
}

/// The address as parts.
fn address(kwargs: &Value) -> Option<(String, u16)> {
    let host = kwargs.get("host")?.as_str()?.to_owned();
    let port = match kwargs.get("port") {
        Some(Value::String(text)) => text.parse().ok()?,
        Some(value) => u16::try_from(value.as_u64()?).ok()?,
        None => 5432,
    };
    Some((host, port))
}

/// Host and port of `postgres://[user@]host[:port]/database`.
fn endpoint(url: &str) -> Option<(String, u16)> {
    let rest = url.split_once("://")?.1;
    let authority = rest.split(['/', '?']).next()?;
    let address = authority
        .rsplit_once('@')
        .map_or(authority, |(_, address)| address);
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (address, 5432),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

/// The content of a member's key as an object; null where it is none.
pub(crate) fn object(text: &str) -> Value {
    let map: serde_json::Result<Map<String, Value>> = serde_json::from_str(text);
    map.map_or(Value::Null, Value::Object)
}

/// What should be a text.
#[derive(Default)]
enum Text<'a> {
    #[default]
    Absent,
    Said(Cow<'a, str>),
    Wrong,
}

impl<'a> Text<'a> {
    fn said(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Said(text) if !text.is_empty() => Some(text),
            Self::Said(_) | Self::Absent | Self::Wrong => None,
        }
    }

    fn is_wrong(&self) -> bool {
        matches!(self, Self::Wrong)
    }
}

/// What should be a number that is not negative.
#[derive(Clone, Copy, Default, PartialEq)]
enum Number {
    #[default]
    Absent,
    Said(u64),
    Wrong,
}

impl Number {
    fn said(self) -> Option<u64> {
        match self {
            Self::Said(number) => Some(number),
            Self::Absent | Self::Wrong => None,
        }
    }
}

/// Reads a value of any kind into one of those above; what is of another kind is passed over.
struct Any<T>(PhantomData<T>);

/// What a value of each kind means; by default it is of the wrong one.
trait Kind<'de>: Sized {
    const NULL: Self;
    const WRONG: Self;

    fn text(_: Cow<'de, str>) -> Self {
        Self::WRONG
    }

    fn number(_: u64) -> Self {
        Self::WRONG
    }

    fn map<A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self::WRONG)
    }
}

impl<'de> Kind<'de> for Text<'de> {
    const NULL: Self = Self::Absent;
    const WRONG: Self = Self::Wrong;

    fn text(text: Cow<'de, str>) -> Self {
        Self::Said(text)
    }
}

impl<'de> Kind<'de> for Number {
    const NULL: Self = Self::Absent;
    const WRONG: Self = Self::Wrong;

    fn number(number: u64) -> Self {
        Self::Said(number)
    }
}

impl<'de> Kind<'de> for Found<'de> {
    const NULL: Self = Self::Other;
    const WRONG: Self = Self::Other;

    fn map<A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        let mut fields = Box::<Fields<'_>>::default();
        while let Some(field) = map.next_key()? {
            match field {
                Field::ConnUrl => fields.conn_url = map.next_value()?,
                Field::ConnKwargs => fields.conn_kwargs = map.next_value()?,
                Field::ApiUrl => fields.api_url = map.next_value()?,
                Field::State => fields.state = map.next_value()?,
                Field::Role => fields.role = map.next_value()?,
                Field::Timeline => fields.timeline = map.next_value()?,
                Field::XlogLocation => fields.xlog_location = map.next_value()?,
                Field::ReceiveLsn => fields.receive_lsn = map.next_value()?,
                Field::ReplayLsn => fields.replay_lsn = map.next_value()?,
                Field::ReplicationState => fields.replication_state = map.next_value()?,
                Field::PendingRestart => fields.pending_restart = map.next_value()?,
                Field::CheckpointAfterPromote => {
                    fields.checkpoint_after_promote = map.next_value()?;
                }
                Field::Tags => fields.tags = map.next_value()?,
                Field::Herdsman => fields.herdsman = map.next_value()?,
                Field::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Self::Object(fields))
    }
}

impl<'de, T: Kind<'de>> Visitor<'de> for Any<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<T, E> {
        Ok(T::NULL)
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<T, E> {
        Ok(T::text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        Ok(T::text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        Ok(T::number(number))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<T, E> {
        Ok(T::WRONG)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<T, E> {
        Ok(T::WRONG)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<T, E> {
        Ok(T::WRONG)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<T, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(T::WRONG)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::map(map)
    }
}

macro_rules! reads_any_kind {
    ($($kind:ty),+) => { $(
        impl<'de> Deserialize<'de> for $kind {
            fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
                value.deserialize_any(Any(PhantomData))
            }
        }
    )+ };
}

reads_any_kind!(Text<'de>, Number, Found<'de>);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Revision;

    fn of(text: &str) -> (MemberView, Option<String>) {
        let entry = RawEntry {
            key: "members/n1",
            value: text.as_bytes(),
            created: Revision(3),
            modified: Revision(7),
            session: Some("s1"),
        };
        read(text, &entry)
    }

    #[test]
    fn urls_give_host_and_port() {
        assert_eq!(
            endpoint("postgres://[::1]:5433/postgres"),
            Some(("::1".to_owned(), 5433))
        );
        assert_eq!(
            endpoint("postgres://[::1]/postgres"),
            Some(("::1".to_owned(), 5432))
        );
        assert_eq!(
            endpoint("postgres://user@h/db"),
            Some(("h".to_owned(), 5432))
        );
        assert_eq!(endpoint("nonsense"), None);
    }

    #[test]
    fn what_is_of_the_wrong_type_hides_nothing_else() {
        let text = r#"{"api_url": 5, "state": "running", "timeline": -1, "xlog_location": 1.5,
            "receive_lsn": [1, {"a": 2}], "tags": [], "role": {"x": [null]}, "replay_lsn": 9}"#;
        let (member, doubt) = of(text);
        assert_eq!(
            doubt.as_deref(),
            Some("its field api_url is of the wrong type")
        );
        assert_eq!(
            (member.state.as_str(), member.role.as_str()),
            ("running", "")
        );
        assert_eq!(member.replay_lsn, Some(Lsn(9)));
        assert_eq!(
            (member.timeline, member.xlog_location, member.receive_lsn),
            (None, None, None)
        );
    }

    #[test]
    fn what_is_no_object_says_nothing_and_is_told() {
        let told = |text| of(text).1.expect("a doubt");
        for text in ["[1]", "5", "\"a\"", "null", "true", "1.5"] {
            assert_eq!(told(text), "it is no JSON object");
            assert_eq!(of(text).0.value(), Value::Null);
        }
        assert!(told("{\"state\": \"running\"").starts_with("it is not JSON: "));
    }

    #[test]
    fn escaped_texts_and_fields_of_others_are_read_and_the_last_of_two_counts() {
        let text = r#"{"st\u0061te": "a\u0041", "more": {"state": "x"}, "state": null,
            "role": "replica", "role": "pri\u006dary", "conn_url": null,
            "conn_kwargs": {"host": "h", "port": "5433"}, "checkpoint_after_promote": false}"#;
        let (member, doubt) = of(text);
        assert_eq!(doubt, None);
        assert_eq!(
            (member.state.as_str(), member.role.as_str()),
            ("", "primary")
        );
        assert_eq!(member.endpoint, Some(("h".to_owned(), 5433)));
        assert_eq!(member.checkpoint_after_promote, Some(false));
        assert_eq!(member.value()["more"]["state"], "x");
    }
}
