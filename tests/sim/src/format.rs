//! The text of a script: stanzas of comment, command, indented input, `----` and output.
//!
//! Parsing and rendering are inverse: a script that is rewritten changes only where its outputs
//! have changed.

/// One command with its input and the output that is written below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stanza {
    /// Comments and blank lines before the command, as they stand.
    pub lead: Vec<String>,
    /// The line number of the command, from 1.
    pub line: usize,
    /// The command itself.
    pub command: String,
    /// Indented lines, without their indent.
    pub input: Vec<String>,
    /// The lines below `----`.
    pub output: Vec<String>,
}

/// A whole file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// Its stanzas in order.
    pub stanzas: Vec<Stanza>,
    /// Comments after the last stanza.
    pub tail: Vec<String>,
}

const RULE: &str = "----";

/// Reads a script.
///
/// # Errors
///
/// When a line stands where it cannot: the message names it.
pub fn parse(text: &str) -> Result<Text, String> {
    let mut lines = (1..).zip(text.lines()).peekable();
    let mut stanzas = Vec::new();
    loop {
        let mut lead = Vec::new();
        while let Some((_, line)) = lines.next_if(|(_, line)| is_lead(line)) {
            lead.push(line.to_owned());
        }
        let Some((number, command)) = lines.next() else {
            return Ok(Text {
                stanzas,
                tail: trim(lead),
            });
        };
        if command.starts_with(' ') || command == RULE {
            return Err(format!("line {number}: a command was expected: {command}"));
        }
        let mut input = Vec::new();
        while let Some((_, line)) = lines.next_if(|(_, line)| line.starts_with(' ')) {
            input.push(line.trim().to_owned());
        }
        // A new stanza may leave the rule and the output to the rewriter.
        let mut output = Vec::new();
        if lines.next_if(|(_, line)| *line == RULE).is_some() {
            while let Some((_, line)) = lines.next_if(|(_, line)| !line.is_empty()) {
                output.push(line.to_owned());
            }
        } else if let Some((number, line)) = lines.next_if(|(_, line)| !line.is_empty()) {
            return Err(format!("line {number}: {RULE} was expected: {line}"));
        }
        stanzas.push(Stanza {
            lead: trim(lead),
            line: number,
            command: command.to_owned(),
            input,
            output,
        });
    }
}

fn is_lead(line: &str) -> bool {
    line.trim().is_empty() || line.starts_with('#')
}

/// Blank lines at both ends belong to the layout, those between comments to the author.
fn trim(mut lead: Vec<String>) -> Vec<String> {
    let blank = lead.iter().take_while(|line| line.trim().is_empty());
    lead.drain(..blank.count());
    while lead.last().is_some_and(|line| line.trim().is_empty()) {
        lead.pop();
    }
    lead
}

/// Writes a script as it is read.
#[must_use]
pub fn render(text: &Text) -> String {
    let mut parts = Vec::new();
    for (index, stanza) in text.stanzas.iter().enumerate() {
        let mut lines = stanza.lead.clone();
        // The file's own header stands apart from the first command.
        if index == 0 && !lines.is_empty() {
            lines.push(String::new());
        }
        lines.push(stanza.command.clone());
        lines.extend(stanza.input.iter().map(|line| format!("  {line}")));
        lines.push(RULE.to_owned());
        lines.extend(stanza.output.iter().cloned());
        parts.push(lines.join("\n"));
    }
    if !text.tail.is_empty() {
        parts.push(text.tail.join("\n"));
    }
    let mut rendered = parts.join("\n\n");
    rendered.push('\n');
    rendered
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# header\n#\n# more\n\nmember a\n----\nok\n\n# why\nstep a\n  dcs leader=b\n  \
                        local empty\n----\nhold x: y\n\n# the end\n";

    #[test]
    fn a_rendered_script_is_the_parsed_one() {
        let text = parse(TEXT).expect("a script");
        assert_eq!(text.stanzas.len(), 2);
        assert_eq!(text.stanzas[1].input, ["dcs leader=b", "local empty"]);
        assert_eq!(text.stanzas[1].output, ["hold x: y"]);
        assert_eq!(text.stanzas[1].line, 10);
        assert_eq!(render(&text), TEXT);
    }

    #[test]
    fn a_command_without_output_gets_its_rule_when_rendered() {
        let text = parse("step a\n  local empty\n\nwake").expect("a script");
        assert_eq!(render(&text), "step a\n  local empty\n----\n\nwake\n----\n");
    }

    #[test]
    fn what_is_no_stanza_is_refused_with_its_line() {
        let stray = parse("member a\nmember b\n").expect_err("no rule");
        assert!(stray.starts_with("line 2: "), "{stray}");
        assert!(parse("  dcs leader=b\n").is_err());
    }
}
