//! What projects share through a folder, and what damage in it costs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value as Json, json};

use super::team::{FETCHED, RAN, Team, run, run_with};
use crate::project::Project;

#[test]
fn two_projects_compute_each_key_once() {
    let team = Team::new();
    let (one, two) = (team.project(), team.project());
    let ran = one.custem(&["run", "p.toml"]);
    assert!(ran.err.contains("2 stages: 2 ran, 0 from cache, 2 pushed, "), "{}", ran.err);
    let ran = two.custem(&["run", "p.toml"]);
    assert_eq!(ran.code, 0);
    let lines: Vec<_> = ran.err.lines().collect();
    assert_eq!(
        lines[..2],
        ["  a  command  fetched             rows", "  b  command  fetched             more"]
    );
    assert!(lines[2].starts_with("2 stages: 0 ran, 2 from cache (2 of the remote one), "), "{}", ran.err);
    assert_eq!((team.computed().as_str(), two.read("b.txt").as_str()), ("ab", "rows\nmore\n"));
    assert_eq!(two.files("cache/objects").len(), one.files("cache/objects").len());
    let why = two.custem(&["why", "a"]).out;
    assert!(why.contains(": the remote cache had its result for this key\n"), "{why}");
    assert!(two.custem(&["runs", "show"]).out.contains("  a  command      fetched  "));
    assert_eq!(two.custem(&["cache", "verify"]).code, 0);
    // What is here is not asked for again, and the record is that of a cache that has computed it.
    assert_eq!(run(&two), (["a hit", "b hit"].map(String::from).into(), vec![]));
    let manifest = |project: &Project| {
        let log = project.read("cache/records.log");
        let mut lines: Vec<_> = log.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(manifest(&one), manifest(&two));
}

#[test]
fn the_remote_has_the_bytes_of_the_cache_and_no_part_in_keys() {
    let team = Team::new();
    let (one, plain) = (team.project(), Project::new());
    plain.write("p.toml", one.read("p.toml").split_once("\n\n").unwrap().1);
    one.run(&[]);
    plain.run(&[]);
    let names = |project: &Project| {
        let root = project.path("cache/objects");
        let files = project.files("cache/objects").into_iter();
        files.map(|(path, bytes)| (path.strip_prefix(&root).unwrap().to_owned(), bytes)).collect::<Vec<_>>()
    };
    assert_eq!(names(&one), names(&plain));
    let root = team.shared().join("objects");
    let there: Vec<_> = team
        .files("objects")
        .into_iter()
        .map(|path| (path.strip_prefix(&root).unwrap().to_owned(), fs::read(&path).unwrap()))
        .collect();
    assert_eq!(there, names(&one));
    let log = plain.read("cache/records.log");
    let keys = |log: &str| {
        log.lines().filter(|line| !line.is_empty()).map(|line| line[..64].to_owned()).collect::<Vec<_>>()
    };
    for (key, path) in [("a", team.record(&one, "a")), ("b", team.record(&one, "b"))] {
        let text = fs::read_to_string(&path).unwrap();
        assert!(keys(&log).contains(&text[..64].to_owned()), "{key}");
        assert!(one.read("cache/records.log").contains(&text), "{key}");
    }
}

/// What a project sees after the remote cache was spoilt, and what the next one sees.
fn spoilt(spoil: impl Fn(&Team, &Project)) -> (Vec<String>, Vec<String>) {
    let team = Team::new();
    let first = team.project();
    assert_eq!(run(&first).0, RAN);
    spoil(&team, &first);
    let second = team.project();
    let seen = run(&second);
    assert_eq!(second.read("b.txt"), "rows\nmore\n");
    assert_eq!(second.custem(&["cache", "verify"]).code, 0);
    // Whoever computed it has written it over, so it serves again.
    let third = team.project();
    assert_eq!(run(&third), (FETCHED.map(String::from).into(), vec![]));
    seen
}

fn write_over(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_damaged_object_is_a_miss_with_a_warning() {
    for bad in [&b"bows\n"[..], b"row", b"rows\nrows\nrows\n", b""] {
        let (ends, warnings) = spoilt(|team, _| write_over(&team.object("rows\n"), bad));
        assert_eq!(ends, ["a ran", "b hit remote"], "{bad:?}");
        assert_eq!(warnings, ["object 4946c510 of `a` is damaged in the remote cache"], "{bad:?}");
    }
}

#[test]
fn a_damaged_record_is_a_miss_with_a_warning() {
    let warned = ["the record of `a` is damaged in the remote cache"];
    let bad: [fn(Vec<u8>) -> Vec<u8>; 5] = [
        |mut bytes| {
            let at = bytes.len() / 2;
            bytes[at] ^= 1;
            bytes
        },
        |bytes| bytes[..bytes.len() - 9].to_vec(),
        |_| b"<html>not what you look for</html>".to_vec(),
        |_| Vec::new(),
        |bytes| [bytes.clone(), bytes].concat(),
    ];
    for (at, damage) in bad.iter().enumerate() {
        let (ends, warnings) = spoilt(|team, first| {
            let path = team.record(first, "a");
            write_over(&path, &damage(fs::read(&path).unwrap()));
        });
        assert_eq!(
            (ends, warnings),
            (["a ran", "b hit remote"].map(String::from).into(), warned.map(String::from).into()),
            "{at}"
        );
    }
}

#[test]
fn a_record_of_another_key_is_none() {
    let (ends, warnings) = spoilt(|team, first| {
        fs::copy(team.record(first, "b"), team.record(first, "a")).unwrap();
    });
    assert_eq!(ends, ["a ran", "b hit remote"]);
    assert_eq!(warnings, ["the record of `a` is damaged in the remote cache"]);
}

#[test]
fn what_is_missing_is_computed_without_a_word() {
    let (ends, warnings) = spoilt(|team, _| fs::remove_file(team.object("rows\n")).unwrap());
    assert_eq!((ends, warnings), (["a ran", "b hit remote"].map(String::from).into(), vec![]));
    let (ends, warnings) = spoilt(|team, first| fs::remove_file(team.record(first, "b")).unwrap());
    assert_eq!((ends, warnings), (["a hit remote", "b ran"].map(String::from).into(), vec![]));
}

/// blake3 of key and body, as the index has it.
fn sealed(key: &str, body: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(blake3::Hash::from_hex(key).unwrap().as_bytes());
    hasher.update(body.as_bytes());
    format!("{key} {} {body}\n", &hasher.finalize().to_hex()[..16])
}

#[test]
fn a_record_that_says_more_than_this_custem_knows_is_left_alone() {
    let team = Team::new();
    let first = team.project();
    run(&first);
    let path = team.record(&first, "a");
    let text = fs::read_to_string(&path).unwrap();
    let newer = sealed(&text[..64], "{\"shape\":\"of another time\"}");
    fs::write(&path, &newer).unwrap();
    let second = team.project();
    assert_eq!(run(&second), (["a ran", "b hit remote"].map(String::from).into(), vec![]));
    assert_eq!(fs::read_to_string(&path).unwrap(), newer);
    // Another format is another folder, and none of this custem's business.
    fs::rename(team.shared(), team.folder.path().join("shared/custem-2")).unwrap();
    let third = team.project();
    assert_eq!(run(&third), (RAN.map(String::from).into(), vec![]));
    assert_eq!(team.files("records").len(), 2);
}

#[test]
fn a_record_with_another_manifest_is_foreign() {
    let team = Team::new();
    let first = team.project();
    run(&first);
    let path = team.record(&first, "a");
    let text = fs::read_to_string(&path).unwrap();
    let mut body: Json = serde_json::from_str(&text[82..]).unwrap();
    body["manifest"]["params.command.0"] = json!("bash");
    fs::write(&path, sealed(&text[..64], &body.to_string())).unwrap();
    let (ends, warnings) = run(&team.project());
    assert_eq!((ends[0].as_str(), warnings.len()), ("a ran", 1), "{warnings:?}");
}

#[test]
fn strange_files_harm_nobody() {
    let team = Team::new();
    run(&team.project());
    for name in ["objects/note.txt", "objects/zz/short", "records/ab/cd", "other"] {
        let path = team.shared().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "mine").unwrap();
    }
    let second = team.project();
    assert_eq!(run(&second), (FETCHED.map(String::from).into(), vec![]));
    let status = second.custem(&["cache", "status", "--all", "--json"]).out;
    let status: Json = serde_json::from_str(&status).unwrap();
    assert_eq!(status["remote"], json!({ "results": 2, "objects": 3, "bytes": 18 }));
    assert_eq!(second.custem(&["cache", "pull", "--all"]).code, 0);
}

#[test]
fn pull_and_push_can_be_switched_off() {
    let team = Team::new();
    let silent = team.project_with("push = false\n");
    assert_eq!(run(&silent), (RAN.map(String::from).into(), vec![]));
    assert!(team.files("").is_empty());
    let away = team.project();
    assert_eq!(run_with(&away, &["--no-remote"]), (RAN.map(String::from).into(), vec![]));
    assert!(team.files("").is_empty());
    run(&team.project());
    assert_eq!(team.files("records").len(), 2);
    let deaf = team.project_with("pull = false\n");
    assert_eq!(run(&deaf), (RAN.map(String::from).into(), vec![]));
    assert_eq!(run_with(&team.project(), &["--no-remote"]).0, RAN);
    assert_eq!(run_with(&team.project(), &["--set", "remote.pull=false"]).0, RAN);
    let forced = team.project();
    assert_eq!(run_with(&forced, &["--force", "a"]).0, ["a ran", "b hit remote"]);
}

#[test]
fn lost_bytes_are_fetched_before_anything_is_computed() {
    let team = Team::new();
    let project = team.project();
    run(&project);
    for (path, _) in project.files("cache/objects") {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(path, "bad").unwrap();
    }
    let verified = project.custem(&["cache", "verify", "--heal", "p.toml"]);
    assert_eq!(verified.code, 0, "{}{}", verified.out, verified.err);
    assert!(verified.err.contains("2 stages: 0 ran, 2 from cache (2 of the remote one)"), "{}", verified.err);
    assert!(
        verified.err.contains("is missing in the cache, fetching or computing it anew"),
        "{}",
        verified.err
    );
    assert_eq!(team.computed(), "ab");
    assert_eq!(project.custem(&["cache", "verify"]).code, 0);
}

/// Damage that only shows when a stage reads its input.
#[test]
fn a_damaged_input_is_fetched_too() {
    let team = Team::new();
    let project = team.project();
    run(&project);
    let objects = project.files("cache/objects");
    let (path, _) = objects.iter().find(|(_, bytes)| bytes == b"rows\n").unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(path, "bows\n").unwrap();
    let (ends, warnings) = run_with(&project, &["--set", "b.command.2=cat {inputs.x}"]);
    assert_eq!(ends, ["a hit", "a hit remote", "b ran"]);
    assert_eq!(warnings, ["`a.stdout` is damaged in the cache, fetching or computing it anew"]);
    assert_eq!(fs::read(path).unwrap(), b"rows\n");
}

/// Another machine's result for a key would hide that the stage isn't reproducible.
#[test]
fn a_record_that_is_here_is_not_replaced_by_another_one() {
    let team = Team::new();
    let project = |team: &Team| {
        let text = format!("[remote]\nurl = \"{}\"\n", team.url);
        Project::with(&format!(
            "{text}[stages.a]\nkind = \"command\"\ncommand = [\"sh\", \"-c\", \"date +%s%N\"]\n"
        ))
    };
    let (one, two) = (project(&team), project(&team));
    assert_eq!(run(&one).0, ["a ran"]);
    assert_eq!(run_with(&two, &["--no-remote"]).0, ["a ran"]);
    for (path, bytes) in two.files("cache/objects") {
        if bytes.len() > 10 {
            fs::remove_file(path).unwrap();
        }
    }
    let (ends, warnings) = run(&two);
    assert_eq!(ends, ["a ran"]);
    assert_eq!(
        warnings,
        [
            "`a.stdout` is missing in the cache, fetching or computing it anew",
            "`a` isn't reproducible: `stdout` has other bytes than in an earlier run of the same key",
        ]
    );
    // The first one's stays in the remote cache, whole.
    assert_eq!(run(&project(&team)).0, ["a hit remote"]);
}

#[test]
fn what_was_computed_apart_is_pushed_pulled_and_counted() {
    let team = Team::new();
    let one = team.project();
    run_with(&one, &["--no-remote"]);
    let status = |project: &Project, args: &[&str]| {
        let ran = project.custem(&[&["cache", "status", "p.toml"], args].concat());
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran.out
    };
    let table = |here: [usize; 3], there: [usize; 3], both: [usize; 3]| {
        let row = |name: &str, [results, objects, bytes]: [usize; 3]| {
            format!("  {name:8} {results:>9} {objects:>9} {:>9}\n", format!("{bytes} B"))
        };
        let head = format!("  {:8} {:>9} {:>9} {:>9}\n", "", "results", "objects", "bytes");
        head + &row("here", here) + &row("remote", there) + &row("both", both)
    };
    assert_eq!(status(&one, &[]), table([2, 3, 18], [0; 3], [0; 3]));
    let pushed = one.custem(&["cache", "push", "p.toml"]);
    assert_eq!(pushed.out, format!("gave 2 results of 2 (3 objects, 18 B) to {}\n", team.url));
    let pushed = one.custem(&["cache", "push", "p.toml", "--json"]);
    let said: Json = serde_json::from_str(&pushed.out).unwrap();
    let nothing = json!({ "url": team.url, "results": 0, "objects": 0, "bytes": 0, "of": 2, "lacking": [] });
    assert_eq!(said, nothing);
    let two = team.project();
    assert_eq!(status(&two, &[]), table([0; 3], [2, 3, 18], [0; 3]));
    assert!(!two.path("cache").exists(), "to look makes nothing");
    let pulled = two.custem(&["cache", "pull", "p.toml"]);
    assert_eq!(pulled.out, format!("took 2 results of 2 (3 objects, 18 B) from {}\n", team.url));
    assert_eq!(status(&two, &["--all"]), table([2, 3, 18], [2, 3, 18], [2, 3, 18]));
    assert_eq!(run(&two).0, ["a hit", "b hit"]);
    assert_eq!(team.computed(), "ab");
}

#[test]
fn the_whole_cache_is_moved_where_it_is_asked_for() {
    let team = Team::new();
    let one = team.project();
    run_with(&one, &["--no-remote"]);
    run_with(&one, &["--no-remote", "--set", "b.command.2=cat {inputs.x}; echo less"]);
    let pushed = one.custem(&["cache", "push", "p.toml"]);
    assert_eq!(pushed.out, format!("gave 2 results of 2 (3 objects, 18 B) to {}\n", team.url));
    let pushed = one.custem(&["cache", "push", "p.toml", "--all"]);
    assert_eq!(pushed.out, format!("gave 1 result of 3 (1 object, 10 B) to {}\n", team.url));
    let two = team.project();
    let pulled = two.custem(&["cache", "pull", "p.toml", "--all"]);
    assert_eq!(pulled.out, format!("took 3 results of 3 (4 objects, 28 B) from {}\n", team.url));
    assert_eq!(two.custem(&["cache", "verify"]).code, 0);
    let three = team.project();
    let pulled = three.custem(&["cache", "pull", "p.toml", "--set", "b.command.2=echo x"]);
    assert_eq!(
        pulled.out,
        format!("took 1 result of 1 (2 objects, 8 B) from {}\n`b` has no result\n", team.url)
    );
}

#[test]
fn without_the_table_there_is_nothing_to_exchange_with() {
    let project = Project::with("[stages.a]\nkind = \"command\"\ncommand = [\"true\"]\n");
    for command in ["push", "pull", "status"] {
        let ran = project.custem(&["cache", command, "p.toml"]);
        let said = "error: p.toml has no remote cache\nhint: add a table `[remote]` with `url = \"s3://BUCKET/PREFIX\"` (docs/remote.md)\n";
        assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (2, "", said));
    }
}

#[test]
fn a_file_url_and_a_path_from_the_project_mean_the_same() {
    let team = Team::new();
    run(&team.project());
    let url = format!("file://{}", team.url);
    assert_eq!(run_with(&team.project(), &["--set", &format!("remote.url={url}")]).0, FETCHED);
    let project = team.project();
    let from_here =
        format!("sub/../../{}/shared/", team.folder.path().file_name().unwrap().to_string_lossy());
    fs::create_dir(project.path("sub")).unwrap();
    assert_eq!(run_with(&project, &["--set", &format!("remote.url={from_here}")]).0, FETCHED);
}

#[test]
fn large_objects_go_in_parts() {
    let team = Team::new();
    let big = |project: &Project| {
        project.write("p.toml", format!("[remote]\nurl = \"{}\"\n[stages.a]\nkind = \"command\"\ncommand = [\"head\", \"-c\", \"20000001\", \"/dev/zero\"]\n", team.url));
    };
    let (one, two) = (Project::new(), Project::new());
    big(&one);
    big(&two);
    assert_eq!(run(&one).0, ["a ran"]);
    assert_eq!(run(&two).0, ["a hit remote"]);
    assert_eq!(two.custem(&["cache", "verify"]).code, 0);
}
