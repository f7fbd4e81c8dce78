//! What users of other runners reported as failures, replayed: each test names the report and holds
//! custem to what its author had expected.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::Duration;

use crate::project::{Project, binary};

const CHAIN: &str = r#"
[stages.made]
kind = "command"
command = ["sh", "-c", "sort data.txt"]
files = ["data.txt"]

[stages.used]
kind = "command"
command = ["sh", "-c", "cat {inputs.rows}; echo end"]
inputs = { rows = "made" }
save = "used.txt"
"#;

/// treeverse/dvc#5978: an object that was edited and is read-only again is handed out as it is.
#[test]
fn an_edited_object_that_is_read_only_is_not_handed_out() {
    let project = Project::with(CHAIN);
    project.write("data.txt", "data\n");
    project.run(&[]);
    let good = project.read("used.txt");
    for (object, bytes) in project.files("cache/objects") {
        fs::set_permissions(&object, fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(&object, [bytes.as_slice(), b"break\n"].concat()).unwrap();
        fs::set_permissions(&object, fs::Permissions::from_mode(0o444)).unwrap();
    }
    fs::remove_file(project.path("used.txt")).unwrap();
    assert_eq!(project.custem(&["run", "p.toml"]).code, 0);
    assert_eq!(project.read("used.txt"), good);
}

/// treeverse/dvc#10465: three arms of one pipeline, run at once by three processes, end with a lock that
/// could not be taken.
#[test]
fn arms_of_a_pipeline_run_at_once_by_several_processes() {
    let arm = |at: usize| {
        format!(
            "[stages.arm{at}]\nkind = \"command\"\ncommand = [\"sh\", \"-c\", \"cat {{inputs.x}}; echo {at}\"]\n\
             inputs = {{ x = \"root\" }}\nsave = \"arm{at}.txt\"\n"
        )
    };
    let root = "[stages.root]\nkind = \"command\"\ncommand = [\"sh\", \"-c\", \"sleep 0.05; echo root\"]\n";
    let project = Project::with(&(root.to_owned() + &(0..3).map(arm).collect::<String>()));
    let start = |at: usize| {
        let until = format!("arm{at}");
        let args = ["run", "p.toml", "-q", "--until", &until];
        binary().current_dir(project.path("")).args(args).spawn().unwrap()
    };
    for mut run in (0..3).map(start).collect::<Vec<_>>() {
        assert!(run.wait().unwrap().success());
    }
    for at in 0..3 {
        assert_eq!(project.read(&format!("arm{at}.txt")), format!("root\n{at}\n"));
    }
}

/// treeverse/dvc#11058: a dependency is edited while its stage runs, and the edit is recorded as what the
/// old bytes gave.
#[test]
fn a_file_edited_while_its_stage_runs_is_not_taken_for_what_it_read() {
    let project = Project::new();
    let (begun, go) = (project.path("begun"), project.path("go"));
    project.write(
        "p.toml",
        format!(
            "[stages.a]\nkind = \"command\"\nfiles = [\"data.txt\"]\nsave = \"a.txt\"\n\
             command = [\"sh\", \"-c\", \"cat data.txt; touch {}; while ! test -e {}; do sleep 0.01; done\"]\n",
            begun.display(),
            go.display()
        ),
    );
    project.write("data.txt", "old\n");
    let mut run = binary().current_dir(project.path("")).args(["run", "p.toml", "-q"]).spawn().unwrap();
    while !begun.exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    project.write("data.txt", "new\n");
    project.write("go", "");
    run.wait().unwrap();
    assert_eq!(project.custem(&["run", "p.toml"]).code, 0);
    assert_eq!(project.read("a.txt"), "new\n");
    project.write("data.txt", "old\n");
    assert_eq!(project.custem(&["run", "p.toml"]).code, 0);
    assert_eq!(project.read("a.txt"), "old\n", "old bytes are not remembered with what new ones gave");
}

/// snakemake/snakemake#1694: since code and parameters count, a comment or a blank reruns a job; and
/// with times alone, as before, a changed parameter does not.
#[test]
fn cosmetic_changes_do_not_rerun_and_real_ones_do() {
    let project = Project::with(CHAIN);
    project.write("data.txt", "data\n");
    project.run(&[]);
    let reformatted = CHAIN
        .replace("[stages.used]", "# What it is for.\n[stages.used]   # here")
        .replace("inputs = { rows = \"made\" }", "inputs={rows=\"made\"}");
    project.write("p.toml", reformatted);
    assert!(project.what_ran(&[]).is_empty());
    project.write("p.toml", CHAIN.replace("echo end", "echo END"));
    assert_eq!(project.what_ran(&[]), ["used"]);
}

/// The same report, and snakemake/snakemake#4134: with a file's time alone as the measure, a touched file
/// reruns everything behind it.
#[test]
fn a_touched_file_reruns_nothing() {
    let project = Project::with(CHAIN);
    project.write("data.txt", "b\na\n");
    project.run(&[]);
    let file = fs::File::options().append(true).open(project.path("data.txt")).unwrap();
    file.set_modified(std::time::SystemTime::now() + Duration::from_secs(60)).unwrap();
    assert!(project.what_ran(&[]).is_empty());
    // Other bytes, but the stage gives the same: what takes from it stays.
    project.write("data.txt", "a\nb\n");
    assert_eq!(project.what_ran(&[]), ["made"]);
}

/// nextflow-io/nextflow#309, and the same of Snakemake's locked folders: a run that was killed leaves a
/// lock behind, and no later run starts before somebody removes it.
#[test]
fn a_killed_run_leaves_no_lock() {
    let project = Project::new();
    let begun = project.path("begun");
    let slow = |seconds: u32| {
        format!(
            "[stages.first]\nkind = \"command\"\ncommand = [\"echo\", \"kept\"]\n\
             [stages.slow]\nkind = \"command\"\ninputs = {{ x = \"first\" }}\n\
             command = [\"sh\", \"-c\", \"cat {{inputs.x}}; touch {}; sleep {seconds}\"]\n",
            begun.display()
        )
    };
    project.write("p.toml", slow(60));
    let mut run = binary().current_dir(project.path("")).args(["run", "p.toml", "-q"]).spawn().unwrap();
    while !begun.exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    run.kill().unwrap();
    run.wait().unwrap();
    project.write("p.toml", slow(0));
    assert_eq!(project.what_ran(&[]), ["slow"], "what had finished is kept, and nobody has to unlock");
}

/// snakemake/snakemake#1342: what the runner had written down about a job is empty or cut short, and it breaks down with
/// a `JSONDecodeError` until somebody removes its folder.
#[test]
fn a_record_that_was_cut_short_costs_its_own_stage_alone() {
    let project = Project::with(CHAIN);
    project.write("data.txt", "b\na\n");
    assert_eq!(project.run(&[]), ["made ran", "used ran"]);
    let log = project.read("cache/records.log");
    let good = project.read("used.txt");
    let first = log.find('\n').map_or(0, |_| log.trim_end().rfind('\n').unwrap() + 1);
    for left in [log.len() - 1, first + 100, first, 0] {
        project.write("cache/records.log", &log[..left]);
        project.write("cache/files.log", "");
        assert_eq!(project.custem(&["run", "p.toml"]).code, 0, "{left} of {} bytes", log.len());
        assert_eq!(project.read("used.txt"), good);
        assert_eq!(project.run(&[]), ["made hit", "used hit"]);
    }
}

/// treeverse/dvc#10629: with the 343 stages of a matrix most of the time goes to a lock file that is read and written
/// anew for each of them.
#[test]
fn the_index_of_343_stages_is_appended_to_and_never_written_anew() {
    let stage = |at: usize| format!("[stages.s{at}]\nkind = \"command\"\ncommand = [\"true\", \"{at}\"]\n");
    let pipeline: String = (0..343).map(stage).collect();
    let project = Project::with(&pipeline);
    assert_eq!(project.run(&[]).len(), 343);
    let (log, inode) =
        (project.read("cache/records.log"), project.path("cache/records.log").metadata().unwrap().ino());
    let records = |log: &str| log.lines().filter(|line| !line.is_empty()).count();
    assert_eq!(records(&log), 343);
    project.write("p.toml", pipeline + &stage(343));
    assert_eq!(project.what_ran(&[]), ["s343"]);
    let now = project.read("cache/records.log");
    assert!(now.starts_with(&log) && records(&now) == 344);
    assert_eq!(project.path("cache/records.log").metadata().unwrap().ino(), inode);
}
