//! Fuzzing, guided by coverage, on the stable toolchain: the compiler's own pass counts what each input reaches, and
//! libFuzzer, which is built along, looks for inputs that reach more.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail, ensure};
use clap::Args;

use crate::{
    run::{output, root, run, say},
    tool,
};

/// What libFuzzer reads: a counter a block with its place, and the values that are compared.
const FLAGS: [&str; 5] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// How long, and what.
#[derive(Args, Clone)]
pub(crate) struct Options {
    /// How long each target runs.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// The targets (files of fuzz/src/bin); all when none is named.
    targets: Vec<String>,
}

impl Options {
    /// What the gate has time for.
    pub(crate) fn gate() -> Self {
        Self { seconds: 10, targets: Vec::new() }
    }
}

/// Runs the targets and fails when one of them finds something.
pub(crate) fn check(options: &Options) -> anyhow::Result<()> {
    let known = known()?;
    if let Some(unknown) = options.targets.iter().find(|target| !known.contains(target)) {
        bail!("no target {unknown:?}; there are {}", known.join(", "));
    }
    let programs = build()?;
    let targets = if options.targets.is_empty() { &known } else { &options.targets };
    let mut failed = Vec::new();
    for target in targets {
        if !fuzz(&programs, target, options.seconds)? {
            failed.push(target.as_str());
        }
    }
    ensure!(failed.is_empty(), "fuzzing found something: {}", failed.join(", "));
    Ok(())
}

fn known() -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root().join("fuzz/src/bin")).context("read fuzz/src/bin")? {
        let path = entry?.path();
        names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}

/// Builds the programs, apart from the usual build, and returns the folder that has them.
fn build() -> anyhow::Result<PathBuf> {
    tool::debian(&[("c++", "g++")])?;
    let about = output(Command::new("rustc").arg("-vV"))?;
    let host = about.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc -vV names the host")?;
    let folder = root().join("target/fuzz");
    // With a target named, build scripts and procedural macros are not instrumented: nothing drives them.
    run(Command::new("cargo")
        .args(["build", "--package", "leno-fuzz", "--features", "libfuzzer", "--bins"])
        .args(["--profile", "fuzz", "--target", host, "--target-dir"])
        .arg(&folder)
        .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f")))?;
    Ok(folder.join(host).join("fuzz"))
}

/// Runs one target; whether it found nothing.
fn fuzz(programs: &Path, target: &str, seconds: u64) -> anyhow::Result<bool> {
    let folder = root().join("target/fuzz");
    let corpus = folder.join("corpus").join(target);
    let artifacts = folder.join("artifacts").join(target);
    for made in [&corpus, &artifacts] {
        fs::create_dir_all(made).with_context(|| format!("make {}", made.display()))?;
    }
    let program = programs.join(target);
    let mut command = Command::new(&program);
    command.arg(format!("-max_total_time={seconds}")).args([
        "-timeout=5",
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
    ]);
    command.arg(format!("-artifact_prefix={}/", artifacts.display()));
    command.args(dictionary(target)?.map(|path| format!("-dict={}", path.display())));
    // What is found goes to the first folder; the seeds stay as they are.
    command.arg(&corpus).arg(root().join("fuzz/corpus").join(target)).env("RUST_BACKTRACE", "1");
    let done = command.output().with_context(|| format!("start {command:?}"))?;
    let log = String::from_utf8_lossy(&done.stderr);
    let kept = folder.join(format!("{target}.log"));
    fs::write(&kept, log.as_bytes()).with_context(|| format!("write {}", kept.display()))?;
    say(&summary(target, &log));
    if !done.status.success() {
        report(target, &program, &log);
    }
    Ok(done.status.success())
}

/// The words that a target's inputs are made of: `fuzz/dictionary/http1.dict` is for all whose name begins so.
fn dictionary(target: &str) -> anyhow::Result<Option<PathBuf>> {
    for entry in fs::read_dir(root().join("fuzz/dictionary")).context("read fuzz/dictionary")? {
        let path = entry?.path();
        if path.file_stem().is_some_and(|name| target.starts_with(&*name.to_string_lossy())) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// One line of what libFuzzer says.
fn summary(target: &str, log: &str) -> String {
    let number = |line: &str, name: &str| {
        let (_, after) = line.split_once(name)?;
        after.split_whitespace().next().map(str::to_owned)
    };
    let last = |name: &str| log.lines().rev().find_map(|line| number(line, name)).unwrap_or_else(|| "?".into());
    format!(
        "{target:16} {:>9} runs {:>7}/s {:>6} blocks covered",
        last("stat::number_of_executed_units:"),
        last("stat::average_exec_per_sec:"),
        last(" cov: ")
    )
}

/// What was found, and how to see it again.
fn report(target: &str, program: &Path, log: &str) {
    let what = ["panicked at", "ERROR: libFuzzer", "SUMMARY"];
    let from = log.lines().position(|line| what.iter().any(|what| line.contains(what))).unwrap_or_default();
    for line in log.lines().skip(from).take(60) {
        say(line);
    }
    let artifact = log.lines().rev().find_map(|line| line.split_once("Test unit written to ")).map(|(_, path)| path);
    if let Some(artifact) = artifact {
        say(&format!("see it again: {} {artifact}", program.display()));
        say(&format!("once it is mended, keep it: cp {artifact} fuzz/corpus/{target}/"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_numbers_are_shown() {
        let log = "#2\tINITED cov: 5 ft: 6\n#9\tNEW    cov: 17 ft: 6\nstat::number_of_executed_units: 9\n\
                   stat::average_exec_per_sec:     4\n";
        assert_eq!(summary("detect", log), "detect                   9 runs       4/s     17 blocks covered");
        assert!(summary("detect", "").contains('?'));
    }
}
