//! A platform's folder and port: kept, and held by one process alone.

use argus_e2e::{Start, Topology, jobs, story};

use crate::everywhere;

#[test]
fn a_second_start_goes_on_where_the_first_was() {
    everywhere(goes_on);
}

async fn goes_on(topology: Topology) {
    let folder = tempfile::tempdir().expect("a folder");
    let start = Start::on(folder.path(), topology).cold();
    let first = start.run().await;
    let done = first.create(&jobs::interval(&first, "first", 4, 1, 1)).await;
    let tasks = story::completed(&first, &done, 1, 15).await;
    let (contracts, keys) = (first.ready["contracts"].clone(), first.ready["keys"].clone());
    first.stop().await;

    let second = start.run().await;
    assert_eq!(second.ready["contracts"], contracts);
    assert_eq!(second.ready["keys"], keys);
    assert_eq!(second.tasks(&done).await, tasks, "the past is as it was");
    story::on_chain(&second, "first", 4, &tasks).await;
    let job = second.create(&jobs::interval(&second, "second", 5, 1, 1)).await;
    let tasks = story::completed(&second, &job, 1, 15).await;
    story::on_chain(&second, "second", 5, &tasks).await;
    second.stop().await;
}

#[test]
fn a_folder_and_a_port_have_one_user() {
    everywhere(refuses_another);
}

async fn refuses_another(topology: Topology) {
    let (folder, other) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let platform = Start::on(folder.path(), topology).run().await;
    let refusal = Start::on(folder.path(), topology).attempt().await.expect_err("the folder is in use");
    assert_eq!(refusal.status.code(), Some(1), "{refusal:?}");
    for word in ["another `argus dev` runs on", "--data"] {
        assert!(refusal.said.contains(word), "{refusal:?}");
    }

    let port: u16 = platform.said("/api").rsplit(':').next().and_then(|p| p.parse().ok()).expect("a port");
    let refusal =
        Start::on(other.path(), topology).port(port).attempt().await.expect_err("the port is taken");
    assert_eq!(refusal.status.code(), Some(1), "{refusal:?}");
    for word in [port.to_string().as_str(), "taken", "--port"] {
        assert!(refusal.said.contains(word), "{refusal:?}");
    }
    // The one that runs has noticed nothing.
    let job = platform.create(&jobs::interval(&platform, "still", 6, 1, 1)).await;
    let tasks = story::completed(&platform, &job, 1, 15).await;
    story::on_chain(&platform, "still", 6, &tasks).await;
    platform.stop().await;
}
