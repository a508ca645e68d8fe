//! `postgresql.auto.conf`, the file of `ALTER SYSTEM`.

use super::parameters::is_recovery_parameter;

/// The content without recovery settings. Other lines stay as they are.
pub(super) fn without_recovery(content: &str) -> String {
    content
        .split_inclusive('\n')
        .filter(|line| !name_of(line).is_some_and(is_recovery_parameter))
        .collect()
}

fn name_of(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let end = line.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.')))?;
    (end > 0).then(|| &line[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovery_settings_go_and_the_rest_stays_byte_for_byte() {
        let content = "# Do not edit\nwork_mem = '8MB'\nprimary_conninfo = 'host=a'\n\
                       \x20 Restore_Command='cp'\nprimary_slot_name 'x'\nmy.primary_conninfo = '1'";
        assert_eq!(
            without_recovery(content),
            "# Do not edit\nwork_mem = '8MB'\nmy.primary_conninfo = '1'"
        );
    }
}
