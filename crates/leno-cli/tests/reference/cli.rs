//! `cli.md`.

use clap::{Arg, ArgAction, Command, CommandFactory};

use crate::page::{Table, code, codes};

/// A program or command with all of its words, such as `leno proxy run`.
struct Entry {
    words: String,
    depth: usize,
    command: Command,
}

pub(crate) fn page() -> String {
    let programs =
        [leno_cli::cli::Cli::command(), leno_control::cli::Program::command(), leno_proxy::cli::Program::command()];
    let entries: Vec<Entry> = programs.map(entries).into_iter().flatten().collect();
    let mut page = String::from(
        "# Command line\n\n\
         `leno` is all that a laptop needs; `leno-control` and `leno-proxy` are the same control plane and sidecar as programs \
         of their own. A flag that has an environment variable may be given by it; the command line wins.\n\n",
    );
    for entry in &entries {
        page.push_str(&section(entry, &entries));
    }
    page
}

/// A command and those below it, hidden ones and the built-in help left out.
fn entries(mut program: Command) -> Vec<Entry> {
    program.build();
    let mut found = Vec::new();
    gather(&program, "", 0, &mut found);
    found
}

fn gather(command: &Command, before: &str, depth: usize, found: &mut Vec<Entry>) {
    if command.is_hide_set() || (depth > 0 && command.get_name() == "help") {
        return;
    }
    let words = format!("{before}{}", command.get_name());
    found.push(Entry { words: words.clone(), depth, command: command.clone() });
    for below in command.get_subcommands() {
        gather(below, &format!("{words} "), depth + 1, found);
    }
}

fn section(entry: &Entry, entries: &[Entry]) -> String {
    let Entry { words, depth, command } = entry;
    let about = command.get_long_about().or_else(|| command.get_about()).expect("every command is documented");
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").lines().map(str::trim).collect::<Vec<_>>().join("\n");
    let mut section = format!("{} `{words}`\n\n{about}\n\n```text\n{usage}\n```\n\n", "#".repeat((depth + 2).min(3)));
    let table = arguments(entry);
    let twin =
        entries.iter().find(|it| it.words.starts_with("leno-") && words.starts_with("leno ") && arguments(it) == table);
    match twin {
        _ if table.is_empty() => {}
        Some(twin) => {
            section.push_str(&format!("Takes what [`{0}`](#{1}) takes.\n\n", twin.words, twin.words.replace(' ', "-")));
        }
        None => section.push_str(&table),
    }
    section
}

/// The arguments of a command; empty when it has none of its own.
fn arguments(entry: &Entry) -> String {
    let own = entry.command.get_arguments().filter(|argument| {
        let inherited = argument.is_global_set() && entry.depth > 0;
        !argument.is_hide_set() && !inherited && !["help", "version"].contains(&argument.get_id().as_str())
    });
    let mut own = own.peekable();
    if own.peek().is_none() {
        return String::new();
    }
    let mut table = Table::new(&["argument", "environment", "default", "what it does"]);
    for argument in own {
        let variable = argument.get_env().filter(|_| !argument.is_hide_env_set());
        let variable = variable.map(|name| code(&name.to_string_lossy())).unwrap_or_default();
        table.row(&[&code(&written(argument)), &variable, &default(argument), &meaning(argument)]);
    }
    table.markdown()
}

/// An argument as it is typed: `-d, --detach`, `--mesh NAME`, `PATH…`.
fn written(argument: &Arg) -> String {
    let short = argument.get_short().map(|short| format!("-{short}"));
    let long = argument.get_long().map(|long| format!("--{long}"));
    let flags = short.into_iter().chain(long).collect::<Vec<_>>().join(", ");
    if !argument.get_action().takes_values() {
        return flags;
    }
    let names = argument.get_value_names().unwrap_or_default().iter().map(ToString::to_string);
    let value = names.collect::<Vec<_>>().join(" ");
    let many = argument.get_num_args().is_some_and(|range| range.max_values() > 1);
    let repeated = many || matches!(argument.get_action(), ArgAction::Append);
    let dots = if repeated && argument.get_value_delimiter().is_none() { "…" } else { "" };
    format!("{flags} {value}{dots}").trim().to_owned()
}

fn default(argument: &Arg) -> String {
    if !argument.get_action().takes_values() {
        return String::new();
    }
    let values = argument.get_default_values().iter().map(|value| value.to_string_lossy());
    let values: Vec<_> = values.map(|value| code(&value)).collect();
    match values.as_slice() {
        [] if argument.is_required_set() => "must be given".to_owned(),
        values => values.join(", "),
    }
}

fn meaning(argument: &Arg) -> String {
    let help = argument.get_long_help().or_else(|| argument.get_help()).map(ToString::to_string);
    let mut help = help.unwrap_or_else(|| panic!("{} is not documented", argument.get_id()));
    if argument.get_value_delimiter() == Some(',') {
        help.push_str(" (several with commas between them)");
    }
    let values = if argument.get_action().takes_values() { argument.get_possible_values() } else { Vec::new() };
    let values: Vec<_> = values.iter().filter(|value| !value.is_hide_set()).map(|value| value.get_name()).collect();
    if !values.is_empty() {
        help.push_str(&format!(": {}", codes(values)));
    }
    help
}
