//! The manifests of `deploy/kubernetes`: they fit the API's schemas, and one another.

use serde_json::{Value, json};

use crate::manifest::{arguments, container, documents, files, object};
use crate::{deployed, installed, text};

/// The oldest and the newest version that they are for: the first has all that they use.
const VERSIONS: [&str; 2] = ["1.27.0", "1.37.0"];

#[tokio::test]
async fn the_manifests_fit_the_schemas() {
    let Some(validate) = installed::program("kubernetes-validate") else { return };
    let paths: Vec<String> =
        files().iter().map(|file| deployed("kubernetes").join(file).display().to_string()).collect();
    for version in VERSIONS {
        let mut arguments = vec!["--strict", "--kubernetes-version", version];
        arguments.extend(paths.iter().map(String::as_str));
        let output = validate.output(&arguments).await;
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && !said.contains("ERROR"), "{version}: {said}");
        let passed = said.matches(" passed ").count();
        let documents: usize = files().iter().map(|file| documents(file).len()).sum();
        assert_eq!(passed, documents, "{version}: {said}");
    }
}

#[test]
fn the_list_of_manifests_is_whole() {
    let list: Value = serde_saphyr::from_str(&text("kubernetes/kustomization.yaml")).unwrap();
    let mut listed: Vec<String> = serde_json::from_value(list["resources"].clone()).unwrap();
    listed.sort();
    assert_eq!(listed, files());
}

#[test]
fn every_object_means_the_same_pods() {
    let set = object("StatefulSet");
    let labels = &set["spec"]["template"]["metadata"]["labels"];
    assert_eq!(&set["spec"]["selector"]["matchLabels"], labels);
    assert_eq!(&object("PodDisruptionBudget")["spec"]["selector"]["matchLabels"], labels);
    assert_eq!(&object("NetworkPolicy")["spec"]["podSelector"]["matchLabels"], labels);
    let target = &object("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"];
    assert_eq!((&target["kind"], &target["name"]), (&set["kind"], &set["metadata"]["name"]));
    for service in documents("service.yaml") {
        assert_eq!(&service["spec"]["selector"], labels, "{}", service["metadata"]["name"]);
    }
}

#[test]
fn nodes_join_by_the_name_of_all_of_them() {
    let set = object("StatefulSet");
    let name = set["spec"]["serviceName"].as_str().unwrap();
    let services = documents("service.yaml");
    let peers = services.iter().find(|service| service["metadata"]["name"] == name).expect("the service");
    assert_eq!(peers["spec"]["clusterIP"], "None");
    assert_eq!(peers["spec"]["publishNotReadyAddresses"], true, "a new node must find the others");
    assert_eq!(set["spec"]["podManagementPolicy"], "Parallel", "new nodes let each other in");
    assert!(arguments().contains(&format!("--join={name}:7401")));
    for service in services {
        let port = &service["spec"]["ports"][0];
        let ports = container()["ports"].clone();
        let fits = |one: &Value| one["name"] == port["targetPort"] && one["containerPort"] == port["port"];
        assert!(ports.as_array().unwrap().iter().any(fits), "{port} in {ports}");
    }
}

/// After the drain a node answers what is under way and hands over: 13 seconds, and a slow disk.
#[test]
fn a_pod_has_the_time_to_end() {
    let drain =
        arguments().iter().find_map(|one| one.strip_prefix("--drain=")?.strip_suffix('s')?.parse().ok());
    let drain: u64 = drain.expect("--drain in seconds");
    let spec = &object("StatefulSet")["spec"]["template"]["spec"];
    let grace = spec["terminationGracePeriodSeconds"].as_u64().unwrap();
    assert!(grace >= drain + 30, "{grace} s, of which {drain} s are the drain");
    let probe = &container()["readinessProbe"];
    let noticed = probe["periodSeconds"].as_u64().unwrap() * probe["failureThreshold"].as_u64().unwrap();
    assert!(noticed < drain, "noticed after {noticed} s, drained for {drain} s");
}

#[test]
fn a_node_runs_without_rights() {
    let pod = &object("StatefulSet")["spec"]["template"]["spec"]["securityContext"];
    assert_eq!(
        (&pod["runAsNonRoot"], &pod["seccompProfile"]["type"]),
        (&json!(true), &json!("RuntimeDefault"))
    );
    let container = container();
    assert_eq!(
        container["securityContext"],
        json!({
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        })
    );
    let user = pod["runAsUser"].to_string();
    assert!(text("Containerfile").contains(&format!("USER {user}:{user}")), "the image's user is {user}");
}
