//! Where outputs may be saved, and under which names.

use crate::language::{ONE, says, told};
use crate::project::Project;

/// Commands under these names that save to these paths; the saves stand on lines 4, 8, 12 and so on.
fn saving(saves: &[(&str, &str)]) -> String {
    let stage = |(name, path): &(&str, &str)| {
        format!("[stages.{name}]\nkind = \"command\"\ncommand = [\"true\"]\nsave = \"{path}\"\n")
    };
    saves.iter().map(stage).collect()
}

#[cfg(unix)]
#[test]
fn saves_are_compared_by_where_they_lead() {
    let project = Project::new();
    project.write("t/keep", "");
    std::os::unix::fs::symlink(project.path("t"), project.path("lnk")).unwrap();
    let absolute = project.path("t/z.parquet");
    let absolute = absolute.to_str().unwrap();
    let saves = [
        ("a", "t/z.parquet"),
        ("b", "lnk/z.parquet"),
        ("c", "t/../t/z.parquet"),
        ("d", absolute),
        ("e", "lnk/y"),
    ];
    project.write("p.toml", saving(&saves));
    let same = |line: u32, path: &str| {
        format!(
            "{line}:8 `{path}` is the same file as `t/z.parquet`, which stage `a` saves; give each saved output its own path"
        )
    };
    assert_eq!(
        told(&project, &[]),
        [same(8, "lnk/z.parquet"), same(12, "t/../t/z.parquet"), same(16, absolute)]
    );
}

#[test]
fn a_save_below_or_above_another_one_is_refused() {
    says(
        &saving(&[("a", "data/x"), ("b", "data/x/y"), ("c", "data")]),
        "error: `data/x/y` lies below `data/x`, a file that stage `a` saves
 --> p.toml:8:8
  |
8 | save = \"data/x/y\"
  |        ^^^^^^^^^^
  |
hint: give each saved output its own path
error: `data` can't be a file: stage `a` saves `data/x` below it
  --> p.toml:12:8
   |
12 | save = \"data\"
   |        ^^^^^^
   |
hint: give each saved output its own path
2 errors
",
    );
}

#[test]
fn a_save_may_not_replace_the_pipeline_nor_leave_the_project() {
    let project = Project::new();
    project.write("base/b.toml", ONE);
    project.write("data/keep", "");
    project.write("a.txt", "");
    let saves = [
        ("c", "p.toml"),
        ("d", "data/../base/b.toml"),
        ("e", "../x.parquet"),
        ("f", "data"),
        ("g", "data/../cache/x"),
        ("h", "a.txt/x"),
        ("i", "data/"),
        ("j", "data/.."),
    ];
    project.write("p.toml", format!("extends = \"base/b.toml\"\n{}", saving(&saves)));
    let elsewhere = "save under `data/`, for example";
    assert_eq!(
        told(&project, &[]),
        [
            format!("5:8 `p.toml` is a file of this pipeline, which saving would replace; {elsewhere}"),
            format!("9:8 `data/../base/b.toml` is a file of this pipeline, which saving would replace; {elsewhere}"),
            format!("13:8 `../x.parquet` leaves the project's folder; {elsewhere}; a path that starts with `/` may lead anywhere"),
            "17:8 `data` is a folder; name a file in it, such as `data/f.txt`".to_owned(),
            format!("21:8 `data/../cache/x` lies in a folder that custem keeps for itself; {elsewhere}"),
            "25:8 `a.txt/x` can't be saved: `a.txt` is a file, not a folder; move that file away, or save elsewhere".to_owned(),
            "29:8 `data/` names no file to save to; name the file too, such as `data/i.txt`".to_owned(),
            "33:8 `data/..` names no file to save to; name the file too, such as `data/j.txt`".to_owned(),
        ]
    );
    let outside = Project::new();
    let absolute = outside.path("far/x.txt");
    project.write("p.toml", saving(&[("a", absolute.to_str().unwrap())]));
    assert_eq!(project.run(&[]), ["a ran"]);
    assert!(absolute.exists(), "an absolute path may lead out of the project");
}

#[test]
fn a_table_is_not_saved_under_the_name_of_another_format() {
    says(
        "[stages.rows]\nkind = \"simulate\"\nsave = \"data/rows.csv\"\n",
        "error: a table is saved as Parquet, and not as `.csv`
 --> p.toml:3:8
  |
3 | save = \"data/rows.csv\"
  |        ^^^^^^^^^^^^^^^
  |
hint: name it `data/rows.parquet`; `custem show rows.transactions --csv` writes CSV
1 error
",
    );
}

#[test]
fn a_picture_is_not_saved_under_the_name_of_another_format() {
    let rows = "[stages.rows]\nkind = \"simulate\"\n";
    let chart = "[stages.c]\nkind = \"chart\"\ntype = \"lines\"\ninput = \"rows\"\nsave = ";
    let told = |save: &str| told(&Project::with(&format!("{rows}{chart}{save}\n")), &[]);
    assert_eq!(
        [told("\"a/c.png\""), told("{ png = \"c.svg\", svg = \"c.pdf\" }")].concat(),
        [
            "7:8 the output `svg` is SVG, and not `.png`; the output `png` is one: `save = { png = \"a/c.png\" }`",
            "7:16 the output `png` is PNG, and not `.svg`; the output `svg` is one: `save = { svg = \"c.svg\" }`",
            "7:31 the output `svg` is SVG, and not `.pdf`; name it `c.svg`",
        ]
    );
}

#[test]
fn a_pattern_may_not_take_in_what_a_stage_saves() {
    let read = "[stages.r]\nkind = \"read\"\npath = \"PATH\"\ncolumns = { customer_id = \"a\", txn_timestamp = \"b\", amount = \"c\" }\n";
    let check = |path: &str| {
        let project =
            Project::with(&format!("{}{}", saving(&[("a", "data/y.csv")]), read.replace("PATH", path)));
        project.write("data/x.csv", "a,b,c\n");
        told(&project, &[])
    };
    for pattern in ["data/*.csv", "./data/*", "**/*.csv", "data/../data/[xy].csv"] {
        assert_eq!(
            check(pattern),
            [format!(
                "7:8 stage `r` reads `{pattern}`, which takes in `data/y.csv` that stage `a` saves; the next run would read one file more: save it elsewhere, or narrow the pattern"
            )]
        );
    }
    assert_eq!(
        check("./data/y.csv"),
        [
            "7:8 stage `r` reads `./data/y.csv`, which stage `a` saves; order comes from inputs alone: use the stage's output, `input = \"a\"`"
        ]
    );
    for pattern in ["data/x*.csv", "*.csv", "data/*/*.csv"] {
        assert!(check(pattern).is_empty(), "{pattern}");
    }
}

/// Two pipelines with one path: whoever comes second is refused while the first one still saves there.
#[test]
fn two_pipelines_do_not_save_to_one_path() {
    let project = Project::new();
    let stage = |word: &str, path: &str| {
        format!("[stages.x]\nkind = \"command\"\ncommand = [\"echo\", \"{word}\"]\nsave = \"{path}\"\n")
    };
    project.write("a.toml", stage("from a", "out.txt"));
    project.write("b.toml", stage("from b", "out.txt"));
    assert_eq!(project.custem(&["run", "a.toml"]).code, 0);
    let ran = project.custem(&["run", "b.toml"]);
    let told = "\
error: `a.toml` saves to `out.txt` too, and this would write over it
 --> b.toml:4:8
  |
4 | save = \"out.txt\"
  |        ^^^^^^^^^
  |
hint: save to another path, or take the output out of `a.toml`
";
    assert_eq!((ran.code, ran.err.contains(told)), (2, true), "{}", ran.err);
    assert_eq!(project.read("out.txt"), "from a\n");
    // Where `a.toml` saves elsewhere, the path is free; then it is the other one's.
    project.write("a.toml", stage("from a", "other.txt"));
    assert_eq!(project.custem(&["run", "b.toml"]).code, 0);
    assert_eq!(project.read("out.txt"), "from b\n");
    project.write("a.toml", stage("from a", "out.txt"));
    let ran = project.custem(&["run", "a.toml"]);
    assert_eq!((ran.code, ran.err.contains("`b.toml` saves to `out.txt` too")), (2, true), "{}", ran.err);
    // A pipeline under another name is the same work; one that is gone has nothing any more.
    fs_err::rename(project.path("b.toml"), project.path("c.toml")).unwrap();
    assert_eq!(project.custem(&["run", "c.toml"]).code, 0);
    // A run repeated saves what is its pipeline's.
    assert_eq!(project.custem(&["runs", "rerun", "last"]).code, 0);
    assert_eq!(project.custem(&["run", "c.toml", "--force", "x"]).code, 0);
}
