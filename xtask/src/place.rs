//! Where tests are built, so that the user they run as can reach them.
//!
//! Invariant: for an ordinary user, this is the checkout and cargo's own target
//! directory; anything else is for root alone.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use crate::account::Account;
use crate::cargo;
use crate::checkout;
use crate::error::Error;
use crate::scratch::Scratch;

pub(crate) struct Place {
    checkout: PathBuf,
    /// The checkout or a copy of it.
    root: PathBuf,
    target: Option<PathBuf>,
    /// Held so that it is removed with the place.
    _scratch: Option<Scratch>,
    environment: Vec<(String, String)>,
}

impl Place {
    pub(crate) fn find() -> Result<Self, Error> {
        let checkout = checkout::root();
        let Some(account) = Account::needed()? else {
            return Ok(Self {
                root: checkout.clone(),
                checkout,
                target: None,
                _scratch: None,
                environment: Vec::new(),
            });
        };
        let scratch = Scratch::create(account)?;
        println!("tests run as the user {}", scratch.account().name);
        let (root, target) = reachable(checkout.clone(), scratch.account())?;
        let environment = vec![
            (cargo::runner_variable()?, scratch.runner()?),
            (
                "TMPDIR".to_owned(),
                scratch.build_dir().display().to_string(),
            ),
        ];
        Ok(Self {
            checkout,
            root,
            target,
            _scratch: Some(scratch),
            environment,
        })
    }

    /// A cargo command that builds nothing, and speaks of the paths that its
    /// reader will open.
    pub(crate) fn cargo_in_checkout(&self) -> Command {
        cargo::cargo(&self.checkout)
    }

    /// A cargo command here.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = cargo::cargo(&self.root);
        if let Some(target) = &self.target {
            command.env("CARGO_TARGET_DIR", target);
        }
        command
    }

    /// A cargo command whose test binaries run as the unprivileged user.
    pub(crate) fn cargo_tests(&self) -> Command {
        let mut command = self.cargo();
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    pub(crate) fn has_subcommand(&self, subcommand: &str) -> bool {
        cargo::has_subcommand(&self.root, subcommand)
    }
}

/// The source tree and target directory that the account can read.
fn reachable(root: PathBuf, account: &Account) -> Result<(PathBuf, Option<PathBuf>), Error> {
    // This program was built by cargo in the target directory that applies.
    let own = env::current_exe().map_err(Error::io("find this program"))?;
    let can_run = match own.parent() {
        Some(dir) => account.can_enter(dir)?,
        None => false,
    };
    let can_read = account.can_read_all(&root)?;
    if can_read && can_run {
        return Ok((root, None));
    }
    let public = checkout::public_dir(&root)?;
    let target = public.join("target");
    if can_read {
        println!(
            "it cannot enter the target directory: building in {}",
            target.display()
        );
        return Ok((root, Some(target)));
    }
    let copy = public.join("source");
    println!(
        "it cannot read {}: building a copy in {}",
        root.display(),
        public.display()
    );
    checkout::mirror(&root, &copy)?;
    Ok((copy, Some(target)))
}
