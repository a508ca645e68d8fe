//! A member's configuration in the terms of the core and of the instance.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use herdsman_dcs::Limits;
use herdsman_ha_core as core;
use herdsman_ha_core::{MemberName, Output, ServerView, SynchronousMode};
use herdsman_pgctl as pgctl;
use serde_json::{Value, json};

use crate::callbacks::Deed;
use crate::settings::{
    CommandOption, Credentials, EffectivePostgres, Secret, ServerRole, Settings, WatchdogMode,
    effective_parameters, standby_cluster_problems,
};

/// What the core is told about this member, of its file and of what is in force for it.
pub(crate) fn core_settings(settings: &Settings, effective: &EffectivePostgres) -> core::Settings {
    let address = &settings.postgresql.connect_address;
    let proxy = settings.postgresql.proxy_address.as_ref();
    let shared = &settings.postgresql.shared;
    core::Settings {
        name: MemberName::from(settings.name.as_str()),
        conn_url: format!("postgres://{address}/{}", effective.database),
        api_url: format!("http://{}/patroni", settings.rest_api.connect_address),
        proxy_url: proxy.map(|proxy| format!("postgres://{proxy}/{}", effective.database)),
        tags: core::Tags::read(&settings.tags.published()),
        // Of use only to a machine that begins: whoever makes it says what is known.
        known_config: None,
        standby_start_limit: Some(effective.pg_ctl_timeout),
        bootstrap_config: settings
            .bootstrap
            .as_ref()
            .map(|bootstrap| bootstrap.dcs.clone()),
        watchdog_required: settings.watchdog.mode == WatchdogMode::Required,
        rejoin: core::RejoinSettings {
            rewinds: shared.use_pg_rewind,
            replaces_on_failure: shared.remove_data_directory_on_rewind_failure,
            replaces_on_divergence: shared.remove_data_directory_on_diverged_timelines,
            replaces_on_missing_wal: shared.remove_data_directory_on_missing_wal,
        },
        scripts: core::Scripts {
            pre_promote: effective.pre_promote.is_some(),
            replica_without_leader: effective.copies_without_leader(),
        },
    }
}

/// The instance that the configuration describes; `dynamic` is what counts until the store tells.
pub(crate) fn instance(
    settings: &Settings,
    dynamic: &Value,
    log_file: Option<PathBuf>,
) -> pgctl::Instance {
    let effective = EffectivePostgres::new(settings, dynamic);
    let postgresql = &settings.postgresql;
    let (config, _) = config(settings, dynamic, Setup::FIRST);
    let mut options =
        pgctl::InstanceOptions::new(settings.name.clone(), postgresql.data_dir.clone(), config);
    options.config_dir = Some(postgresql.config_dir.clone());
    options
        .config_base_name
        .clone_from(&effective.config_base_name);
    options.bin_dir.clone_from(&effective.bin_dir);
    options.bin_names.clone_from(&effective.bin_name);
    options.log_file = log_file;
    if let Some(pgpass) = &postgresql.pgpass {
        options.pgpass.clone_from(pgpass);
    }
    pgctl::Instance::new(options)
}

/// What of `postgresql` is in force besides what the server is set up with. Cheap to clone; clones
/// see the newest.
#[derive(Clone, Debug)]
pub(crate) struct Effective(Arc<RwLock<Arc<EffectivePostgres>>>);

impl Effective {
    pub(crate) fn new(settings: &Settings, dynamic: &Value) -> Self {
        let effective = EffectivePostgres::new(settings, dynamic);
        Self(Arc::new(RwLock::new(Arc::new(effective))))
    }

    pub(crate) fn set(&self, settings: &Settings, dynamic: &Value) {
        let effective = Arc::new(EffectivePostgres::new(settings, dynamic));
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = effective;
    }

    pub(crate) fn get(&self) -> Arc<EffectivePostgres> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The dynamic configuration of a new cluster.
pub(crate) fn bootstrap_config(settings: &Settings) -> Value {
    settings
        .bootstrap
        .as_ref()
        .map_or_else(|| json!({}), |bootstrap| bootstrap.dcs.clone())
}

/// What the machine has to say on how the server is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Setup {
    pub(crate) role: ServerRole,
    /// Whether the primary must keep old rows for logical slots of this standby, or of one that takes
    /// its WAL from it.
    pub(crate) keeps_rows: bool,
}

impl Setup {
    /// Before the machine has said anything.
    pub(crate) const FIRST: Self = Self {
        role: ServerRole::Replica,
        keeps_rows: false,
    };
}

/// What a server is; none: it does not tell.
pub(crate) fn role_of(server: &ServerView, is_standby_leader: bool) -> Option<ServerRole> {
    match server {
        ServerView::Primary(_) => Some(ServerRole::Primary),
        ServerView::Standby(_) => Some(standby(is_standby_leader)),
        ServerView::Down { .. }
        | ServerView::Starting
        | ServerView::Stopping
        | ServerView::Unresponsive => None,
    }
}

/// As what the server is about to be started; none: it is not. A promoted server is a primary once
/// it is one.
pub(crate) fn role_to_start(outputs: &[Output], is_standby_leader: bool) -> Option<ServerRole> {
    outputs.iter().find_map(|output| match output {
        Output::Start { task, .. } => match Deed::of(task, false, false)? {
            Deed::Started(ServerRole::Primary) => Some(ServerRole::Primary),
            Deed::Started(_) => Some(standby(is_standby_leader)),
            Deed::Promoted | Deed::Stopped | Deed::TakenDown => None,
        },
        Output::Decided(_) | Output::Cancel { .. } | Output::Reply { .. } | Output::Quit(_) => None,
    })
}

const fn standby(is_leader: bool) -> ServerRole {
    if is_leader {
        ServerRole::StandbyLeader
    } else {
        ServerRole::Replica
    }
}

/// How the server shall be set up by the member's file and the cluster's configuration, and what
/// of them is not in force.
pub(crate) fn config(
    settings: &Settings,
    dynamic: &Value,
    setup: Setup,
) -> (pgctl::Config, Vec<String>) {
    let effective = EffectivePostgres::new(settings, dynamic);
    let parameters = effective_parameters(settings, dynamic, NEWEST_RULES);
    let warnings = effective.warnings.iter().chain(&parameters.warnings);
    let warnings = warnings.map(ToString::to_string).collect();
    let postgresql = &settings.postgresql;
    let listen: pgctl::Listen = match postgresql.listen.to_string().parse() {
        Ok(listen) => listen,
        Err(error) => {
            // Both crates read the same form; were they to differ, the server listens nowhere else.
            tracing::warn!(%error, "postgresql.listen");
            local_listen(postgresql.listen.port)
        }
    };
    let authentication = &postgresql.authentication;
    let mut config = pgctl::Config::new(
        listen,
        credentials(&authentication.superuser),
        credentials(&authentication.replication),
    );
    config.connect_address = pgctl::Address {
        host: postgresql.connect_address.host.clone(),
        port: postgresql.connect_address.port,
    };
    config.cluster_name.clone_from(&settings.scope);
    config.database.clone_from(&effective.database);
    config.use_unix_socket = effective.use_unix_socket;
    config.rewind = authentication.rewind.as_ref().map(credentials);
    let overlay = effective.overlays.of(setup.role);
    config.parameters = parameters.values;
    overlay.lay_over(&mut config.parameters);
    config.pg_hba = overlay.pg_hba.clone().or(effective.pg_hba);
    config.pg_ident = overlay.pg_ident.clone().or(effective.pg_ident);
    config.recovery_conf = effective
        .recovery_conf
        .iter()
        .filter_map(|parameter| Some((parameter.name.clone(), parameter.value.clone()?)))
        .collect::<BTreeMap<_, _>>();
    retry_soon(&mut config);
    if setup.keeps_rows {
        let name = "hot_standby_feedback".to_owned();
        config.parameters.insert(name, "on".to_owned());
    }
    config.custom_conf.clone_from(&effective.custom_conf);
    config.initdb = settings
        .bootstrap
        .iter()
        .flat_map(|bootstrap| &bootstrap.initdb)
        .map(tool_option)
        .collect();
    config.basebackup = effective.basebackup.iter().map(tool_option).collect();
    config.rewind_options = effective.rewind.iter().map(tool_option).collect();
    (config, warnings)
}

/// A standby whose leader goes away sleeps for `wal_retrieve_retry_interval` before it tries the
/// next one: PostgreSQL's 5 s are the longest part of many a failover. Where an archive is asked
/// each time, the interval stays as it is.
fn retry_soon(config: &mut pgctl::Config) {
    let has_archive = config.recovery_conf.contains_key("restore_command")
        || config.parameters.contains_key("restore_command");
    if !has_archive {
        config
            .parameters
            .entry("wal_retrieve_retry_interval".to_owned())
            .or_insert_with(|| "500ms".to_owned());
    }
}

/// All served versions (13 and later) have one set of managed parameters.
const NEWEST_RULES: u32 = 13;

fn local_listen(port: u16) -> pgctl::Listen {
    format!("127.0.0.1:{port}")
        .parse()
        .expect("an address and a port are a listen text")
}

fn credentials(credentials: &Credentials) -> pgctl::Credentials {
    let secret = |secret: &Secret| pgctl::Secret::new(secret.expose());
    let mut result = pgctl::Credentials::new(
        credentials.username.clone().unwrap_or_default(),
        credentials.password.as_ref().map(secret),
    );
    result.username.clone_from(&credentials.username);
    result.sslpassword = credentials.ssl_password.as_ref().map(secret);
    for (keyword, value) in &credentials.options {
        match keyword.as_str() {
            "sslmode" => result.sslmode = Some(value.clone()),
            _ => {
                result.keywords.insert(keyword.clone(), value.clone());
            }
        }
    }
    result
}

fn tool_option(option: &CommandOption) -> pgctl::ToolOption {
    match &option.value {
        Some(value) => pgctl::ToolOption::with_value(option.name.clone(), value.clone()),
        None => pgctl::ToolOption::flag(option.name.clone()),
    }
}

/// How long calls to the store may take, and how long one server of it is waited for.
pub(crate) fn store_limits(call: Duration) -> Limits {
    let attempt = (call / 4).clamp(Duration::from_millis(200), Duration::from_millis(1500));
    Limits {
        call,
        attempt: attempt.min(call),
    }
}

/// What of a new cluster's configuration this program does not serve and will not ignore.
pub(crate) fn refusals(settings: &Settings) -> Vec<String> {
    let (rules, _) = core::Rules::read(&bootstrap_config(settings));
    let mut refusals = Vec::new();
    if rules.synchronous_mode == SynchronousMode::Quorum {
        refusals.push("bootstrap.dcs.synchronous_mode quorum");
    }
    let not_served = refusals.into_iter().map(|key| {
        format!("{key} is not served yet: this member will not make or lead the cluster")
    });
    // A cluster that was to follow another one must not become one of its own by a slip of the pen.
    not_served
        .chain(standby_cluster_problems(&bootstrap_config(settings)))
        .collect()
}
