//! A slot of a server: `b`, `b:0/4000000`, `b:active`, `=backup:rows`, `=cdc:logical:app:pgoutput`.
//!
//! A name is a member's; behind `=` it is the slot's own.

use herdsman_ha_core::schema::slot_name;
use herdsman_ha_core::{LogicalSlot, Lsn, SlotKind, SlotView};

use crate::script::world::World;

/// Its name, and what is special about it; none: nothing is.
pub(super) fn read(world: &World, text: &str) -> Result<(String, Option<SlotView>), String> {
    let mut parts = text.split(':');
    let name = parts.next().unwrap_or_default();
    let name = match name.strip_prefix('=') {
        Some(own) => own.to_owned(),
        None => slot_name(world.name(name).as_str()).into_owned(),
    };
    let mut slot = SlotView::physical(Some(Lsn(0)));
    let mut is_usual = true;
    while let Some(part) = parts.next() {
        is_usual = false;
        match part {
            "active" => slot.is_active = true,
            "lost" => slot.is_lost = true,
            "rows" => slot.holds_rows = true,
            "failover" => slot.is_failover = true,
            "carried" => (slot.is_failover, slot.is_carried) = (true, true),
            "unreserved" => slot.position = None,
            "logical" => {
                let (Some(database), Some(plugin)) = (parts.next(), parts.next()) else {
                    return Err(format!(
                        "{text}: a logical slot has a database and a plugin"
                    ));
                };
                slot.kind = SlotKind::Logical(LogicalSlot {
                    database: database.to_owned(),
                    plugin: plugin.to_owned(),
                });
            }
            at => {
                let lsn: Result<Lsn, _> = at.parse();
                slot.position = Some(lsn.map_err(|_| format!("{text}: what is {at}?"))?);
            }
        }
    }
    Ok((name, (!is_usual).then_some(slot)))
}
