//! Source files behind URLs: fetched once, again when they change, and told apart by their bytes.

use crate::project::Project;

fn pipeline(project: &Project, name: &str) -> String {
    let url = format!("file://{}/shop/{name}", project.path("").display()).replace("//shop", "/shop");
    format!("[stages.rows]\nkind = \"read\"\npath = \"{url}\"\n")
}

#[test]
fn a_file_behind_a_url_is_fetched_when_it_has_changed() {
    let project = Project::new();
    project.write("p.toml", pipeline(&project, "*.csv"));
    project.write("shop/a.csv", "id,n\n1,2\n");
    project.write("shop/b.csv", "id,n\n3,4\n");
    project.write("shop/c.txt", "nothing");
    let plan = project.custem(&["plan", "p.toml"]);
    assert!(
        format!("{}{}", plan.out, plan.err).contains("has not been fetched yet"),
        "{}{}",
        plan.out,
        plan.err
    );
    assert_eq!(project.run(&[]), ["rows ran"]);
    assert_eq!(project.custem(&["show", "rows", "--csv"]).out, "id,n\n1,2\n3,4\n");
    assert_eq!(project.run(&[]), ["rows hit"]);
    std::thread::sleep(std::time::Duration::from_millis(30));
    // The same bytes written anew are fetched, and are the same source.
    project.write("shop/a.csv", "id,n\n1,2\n");
    assert_eq!(project.run(&[]), ["rows hit"]);
    std::thread::sleep(std::time::Duration::from_millis(30));
    project.write("shop/a.csv", "id,n\n1,5\n");
    assert_eq!(project.run(&[]), ["rows ran"]);
    assert_eq!(project.custem(&["show", "rows", "--csv"]).out, "id,n\n1,5\n3,4\n");
    let files = project.custem(&["show", "rows.files", "--csv"]).out;
    assert!(files.contains("/shop/a.csv,delimited text,"), "{files}");
    assert!(project.custem(&["plan", "p.toml"]).out.contains("up to date"));
    std::fs::remove_file(project.path("shop/b.csv")).unwrap();
    assert_eq!(project.run(&[]), ["rows ran"]);
}

#[test]
fn what_is_not_there_is_told() {
    let project = Project::new();
    project.write("shop/c.txt", "nothing");
    project.write("p.toml", pipeline(&project, "a.csv"));
    let ran = project.custem(&["run", "p.toml"]);
    assert!(ran.code == 1 && ran.err.contains("/shop/a.csv`\n --> p.toml:3:"), "{}", ran.err);
    project.write("p.toml", pipeline(&project, "*.csv"));
    let ran = project.custem(&["run", "p.toml"]);
    assert!(
        ran.code == 1 && ran.err.contains("error: stage `rows` failed: nothing matches `file://"),
        "{}",
        ran.err
    );
    project.write("p.toml", "[stages.rows]\nkind = \"read\"\npath = \"https://me:S3CRET@host/a.csv\"\n");
    let ran = project.custem(&["run", "p.toml"]);
    assert!(ran.code == 1 && ran.err.contains("must not hold a user, a password or a key"), "{}", ran.err);
}
