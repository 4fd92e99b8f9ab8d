//! The repository, held to its own rules.

use argus_house_tests::repo::{root, tracked_files, workspace};
use argus_house_tests::{Faults, compose, edges, map, operations, runtime, text};

fn hold(rule: &str, faults: Faults) {
    assert!(faults.is_empty(), "{rule}:\n  {}\n", faults.join("\n  "));
}

#[test]
fn crates_depend_only_downwards() {
    let workspace = workspace();
    hold(
        "every crate has a row and keeps to it",
        edges::check_edges(&workspace.members(), &workspace.edges()),
    );
}

#[test]
fn crates_are_named_after_their_folders() {
    hold(
        "a crate is called argus-<folder>, and its name says something",
        edges::check_names(&workspace().members()),
    );
}

#[test]
fn the_core_knows_no_world() {
    let workspace = workspace();
    let core = workspace.members().into_iter().filter(|member| member.dir.starts_with("core/"));
    let faults = core.flat_map(|member| {
        runtime::check_core(&member.name, &workspace.listed_by(&member), &workspace.reached_by(&member))
    });
    hold("core/ has no runtime, socket or randomness", faults.collect());
}

#[test]
fn files_stay_readable() {
    hold("no source file is too long", text::check_size(&tracked_files()));
}

#[test]
fn every_test_runs() {
    hold("no test is switched off", text::check_ignored_tests(&tracked_files()));
}

#[test]
fn work_left_undone_has_an_issue() {
    hold("a note of work to do names its issue", text::check_notes(&tracked_files()));
}

#[test]
fn no_value_is_a_float() {
    hold("no float touches a value", text::check_floats(&tracked_files()));
}

#[test]
fn nothing_names_one_machine() {
    hold("no machine's path, no download host", text::check_places(&tracked_files()));
}

#[test]
fn the_map_is_short_and_true() {
    let root = root();
    let map = std::fs::read_to_string(root.join("ARCHITECTURE.md")).expect("the repository has its map");
    hold("ARCHITECTURE.md", map::check_map(&map, |path| root.join(path).exists()));
}

#[test]
fn what_operators_are_told_is_shown() {
    let told =
        std::fs::read_to_string(root().join("docs/operations.md")).expect("operators have their document");
    hold("docs/operations.md", operations::check_operations(&told, &tracked_files()));
}

#[test]
fn the_compose_files_belong_together() {
    let files = compose::Deployment::read(&root());
    hold("deploy/compose", files.check(|path| root().join(path).exists()));
    hold("an operator's files are not tracked", compose::check_tracked(&tracked_files()));
}
