//! Places that can't be written, and a full disk: told, and nothing lost.

use std::process::Command;

use crate::project::{Project, Ran, binary};
use crate::shop::{calm, says};

#[test]
fn an_output_that_cannot_be_written_is_told_and_stays_cached() {
    // Nobody may make files in /proc, root included.
    let text = "[stages.a]\nkind = \"command\"\ncommand = [\"echo\", \"x\"]\nsave = \"PLACE\"\n\n[stages.b]\nkind = \"command\"\ncommand = [\"echo\", \"y\"]\nsave = \"b.txt\"\n";
    let project = Project::with(&text.replace("PLACE", "/proc/custem/a.txt"));
    let ran = calm(&project);
    assert_eq!(ran.code, 1);
    says(&ran, &["stage `a` failed: can't save `/proc/custem/a.txt`: ", "--> p.toml:4:8", "hint: "]);
    assert_eq!(project.read("b.txt"), "y\n", "other branches go on");
    project.write("folder/a.txt/taken", "");
    project.write("p.toml", text.replace("PLACE", "folder/a.txt"));
    let ran = calm(&project);
    assert_eq!(ran.code, 2, "what stands in the way is told before anything runs");
    says(&ran, &["error: `folder/a.txt` is a folder\n --> p.toml:4:8", "hint: name a file in it, such as "]);
    project.write("p.toml", text.replace("PLACE", "a.txt"));
    assert_eq!(project.run(&[]), ["a hit", "b hit"]);
    assert_eq!(project.read("a.txt"), "x\n");
}

#[test]
fn a_file_in_place_of_a_folder_of_custem_is_told() {
    for folder in ["cache", "experiments"] {
        let project = Project::with("[stages.a]\nkind = \"command\"\ncommand = [\"echo\", \"x\"]\n");
        project.write(folder, "mine");
        let ran = calm(&project);
        assert_eq!(ran.code, 1);
        says(&ran, &[folder, "hint: a file stands where a folder should be", "`--root`"]);
        assert_eq!(project.read(folder), "mine");
    }
}

/// Runs custem where no file can grow beyond some blocks of 512 bytes: to the writer, a full disk.
fn cramped(project: &Project, blocks: u32, killed: bool) -> Ran {
    let trap = if killed { "" } else { "trap '' XFSZ; " };
    let script = format!("{trap}ulimit -c 0; ulimit -f {blocks}; exec \"$0\" run p.toml");
    let custem = binary();
    let mut shell = Command::new("sh");
    shell.env("NO_COLOR", "1").arg("-c").arg(script).arg(custem.get_program()).current_dir(project.path(""));
    let output = shell.output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

const GROWING: &str = r#"
[pipeline]
seed = 3

[stages.small]
kind = "command"
command = ["echo", "small"]
save = "out/small.txt"

[stages.middle]
kind = "simulate"
customers = 30
start = 2024-01-01
end = 2024-03-31
save = "out/middle.parquet"

[stages.large]
kind = "simulate"
customers = 900
start = 2024-01-01
end = 2024-12-29
save = "out/large.parquet"

[stages.features]
kind = "features"
input = "large"
save = "out/features.parquet"
"#;

#[test]
fn a_full_disk_leaves_nothing_half_written() {
    let calm_project = Project::with(GROWING);
    assert_eq!(calm(&calm_project).code, 0);
    let named = |project: &Project, folder: &str| -> Vec<_> {
        let files = project.files(folder).into_iter();
        // A killed process can't take its temporary files with it.
        let temporary =
            |path: &std::path::Path| path.file_name().unwrap().to_string_lossy().starts_with(".custem-");
        files
            .filter(|(path, _)| !temporary(path))
            .map(|(path, bytes)| (path.strip_prefix(project.path("")).unwrap().to_owned(), bytes))
            .collect()
    };
    let whole = named(&calm_project, "out");
    let objects = named(&calm_project, "cache/objects");
    assert_eq!(whole.len(), 4);
    let project = Project::with(GROWING);
    let (mut stopped, mut half) = (0, 0);
    for (blocks, killed) in
        [0, 1, 3, 8, 14, 18, 24, 60, 200].into_iter().flat_map(|at| [(at, false), (at, true)])
    {
        let ran = cramped(&project, blocks, killed);
        assert_ne!(ran.code, 0, "{blocks} blocks should not be enough: {}", ran.err);
        if !killed {
            assert_eq!(ran.code, 1, "{blocks}: {}", ran.err);
            says(&ran, &["File too large", "hint: files may not grow so large here"]);
            assert!(!ran.err.contains("broke down"), "{}", ran.err);
            stopped += 1;
            half += usize::from(ran.err.contains("stage `large` failed"));
            let logs = named(&project, "experiments/logs");
            assert!(logs.iter().all(|(_, bytes)| bytes.is_empty() || bytes.ends_with(b"\n")), "half a line");
            assert!(project.files("cache/tmp").is_empty(), "scratch left");
        }
        assert!(
            named(&project, "out").iter().all(|file| whole.contains(file)),
            "{blocks}: half a saved file"
        );
        assert!(
            named(&project, "cache/objects").iter().all(|object| objects.contains(object)),
            "{blocks}: half an object"
        );
        for (path, bytes) in named(&project, "experiments/configs") {
            let text = String::from_utf8(bytes).unwrap();
            let config: toml::Table =
                text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert_eq!(config["stages"].as_table().unwrap().len(), 4, "{}", path.display());
        }
        assert_eq!(project.custem(&["runs", "list"]).code, 0);
    }
    assert!(stopped == 9 && half >= 2, "{stopped} {half}: the limits don't cut where they should");
    let healed = calm(&project);
    assert_eq!(healed.code, 0, "{}", healed.err);
    assert_eq!(named(&project, "out"), whole);
    assert_eq!(named(&project, "cache/objects"), objects);
}
