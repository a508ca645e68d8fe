//! `lag c bytes=18MiB`: a standby receives nothing while so much is written. It stays so until
//! `heal`, or until the end of `for=`.

use crate::fault::{Fault, Quirk};
use crate::pg::ROW;
use crate::script::stage::Stage;
use crate::units;
use crate::words::Words;

pub(super) fn perform(
    stage: &mut Stage,
    mut words: Words,
    lines: &mut Vec<String>,
) -> Result<(), String> {
    let node = stage.member(&words.expect("a member")?)?;
    let bytes = words.value("bytes").ok_or("bytes= must say how far")?;
    let rows = units::parsed_bytes(&bytes)?.div_ceil(ROW);
    let lasting = words.value("for").map(|text| units::seconds(&text));
    let lasting = lasting.transpose()?;
    words.end()?;
    stage.inflict(&Fault::Quirk(node, Quirk::ReceivesNothing, lasting))?;
    super::write::rows(stage, rows)?;
    lines.extend(stage.news());
    Ok(())
}
