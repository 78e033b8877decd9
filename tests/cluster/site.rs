//! Where a test works: namespaces, nodes, pods and tokens of its own, removed whatever it ends with.

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::{Mutex, RwLock};

use crate::objects;
use rumpus_tests::live::api::{Caller, RUMPUS};

/// The namespace of the installation; `cargo xtask` installs it there.
pub(crate) const RELEASE: &str = "rumpus-system";

/// Held to read by every test, and to write by those that change what others rely on.
static RULES: RwLock<()> = RwLock::const_new(());
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// What belongs to one test.
pub(crate) struct Site {
    pub(crate) admin: Caller,
    /// Distinguishes this test's objects from those of others.
    name: String,
    /// What is removed at the end, in reverse.
    made: Mutex<Vec<String>>,
}

/// Runs a test while no other one changes the rules.
pub(crate) fn with<F: Future<Output = ()> + 'static>(test: impl FnOnce(&'static Site) -> F + 'static) {
    block(async move {
        let _rules = RULES.read().await;
        run(test).await;
    });
}

/// Runs a test that changes the rules, or the rights of an account that others use, alone.
pub(crate) fn alone<F: Future<Output = ()> + 'static>(test: impl FnOnce(&'static Site) -> F + 'static) {
    block(async move {
        let _rules = RULES.write().await;
        run(test).await;
    });
}

fn block(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    // A test's future stays on this thread.
    tokio::task::LocalSet::new().block_on(&runtime, test);
}

async fn run<F: Future<Output = ()> + 'static>(test: impl FnOnce(&'static Site) -> F + 'static) {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("t-{}-{number}", std::process::id());
    let admin = Caller::administrator().await.expect("the administrator gets in");
    // A test's future is 'static; what it borrows lives as long as the test binary.
    let site: &'static Site = Box::leak(Box::new(Site { admin, name, made: Mutex::new(Vec::new()) }));
    let outcome = tokio::task::spawn_local(test(site)).await;
    site.clear().await;
    if let Err(failed) = outcome {
        std::panic::resume_unwind(failed.into_panic());
    }
}

impl Site {
    /// Returns a name that no other test has.
    pub(crate) fn named(&self, part: &str) -> String {
        format!("{}-{part}", self.name)
    }

    /// Returns a number that no other test has.
    pub(crate) fn number(&self) -> u32 {
        NUMBER.fetch_add(1, Ordering::Relaxed)
    }

    /// Remembers to remove what lies at a path.
    pub(crate) async fn remember(&self, path: String) {
        self.made.lock().await.push(path);
    }

    /// Creates as the administrator, and remembers to remove it; `path` is the collection's.
    pub(crate) async fn make(&self, path: &str, object: &Value) -> Value {
        let made = self.admin.post(path, object).await.ok();
        self.remember(format!("{path}/{}", made["metadata"]["name"].as_str().expect("it has a name"))).await;
        made
    }

    async fn clear(&self) {
        let mut made = self.made.lock().await;
        while let Some(path) = made.pop() {
            let answer = self.admin.remove(&path).await;
            assert!(answer.code < 300 || answer.code == 404, "{path} stays: {answer:?}");
        }
    }

    /// Makes a namespace that has opted in.
    pub(crate) async fn namespace(&self, part: &str) -> String {
        self.namespace_with(part, &json!({ "rumpus.dev/chaos": "enabled" })).await
    }

    /// Makes a namespace with these labels.
    pub(crate) async fn namespace_with(&self, part: &str, labels: &Value) -> String {
        let name = self.named(part);
        self.make("/api/v1/namespaces", &json!({ "metadata": { "name": name, "labels": labels } })).await;
        name
    }

    /// Gives a user a ClusterRole in a namespace.
    pub(crate) async fn bind(&self, role: &str, user: &str, namespace: &str) {
        let path = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings");
        let subject = objects::user(user);
        self.make(&path, &self.binding(role, &subject)).await;
        self.settle(role, &subject, namespace).await;
    }

    /// Gives a subject a ClusterRole everywhere.
    pub(crate) async fn bind_everywhere(&self, role: &str, subject: &Value) {
        let path = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
        self.make(path, &self.binding(role, subject)).await;
        self.settle(role, subject, "default").await;
    }

    /// Waits until the authorizer knows of a binding: it learns of one a moment after it is made.
    async fn settle(&self, role: &str, subject: &Value, namespace: &str) {
        let name = subject["name"].as_str().expect("a subject has a name");
        let user = match subject["namespace"].as_str() {
            Some(home) => format!("system:serviceaccount:{home}:{name}"),
            None => name.to_owned(),
        };
        let path = format!("/apis/rbac.authorization.k8s.io/v1/clusterroles/{role}");
        let rules = self.admin.get(&path).await.ok()["rules"].as_array().cloned().unwrap_or_default();
        let person = self.admin.person(&user);
        let review = json!({ "spec": { "namespace": namespace } });
        until("the binding counts", async || {
            let answer = person.post("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", &review).await.ok();
            let known = answer["status"]["resourceRules"].as_array().cloned().unwrap_or_default();
            let same = |one: &Value, other: &Value| {
                ["apiGroups", "resources", "verbs"].iter().all(|field| one[*field] == other[*field])
            };
            rules.iter().all(|rule| known.iter().any(|other| same(rule, other)))
        })
        .await;
    }

    fn binding(&self, role: &str, subject: &Value) -> Value {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        json!({
            "metadata": { "name": self.named(&format!("binding-{number}")) },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role },
            "subjects": [subject],
        })
    }

    /// Makes a ClusterRole.
    pub(crate) async fn role(&self, part: &str, rules: &Value) -> String {
        let name = self.named(part);
        let role = json!({ "metadata": { "name": name }, "rules": rules });
        self.make("/apis/rbac.authorization.k8s.io/v1/clusterroles", &role).await;
        name
    }

    /// Makes a node of which no kubelet knows and on which nothing is scheduled.
    pub(crate) async fn node(&self, part: &str) -> String {
        let name = self.named(part);
        let taints = json!([{ "key": "rumpus.dev/test", "effect": "NoSchedule" }]);
        let node = json!({ "metadata": { "name": name }, "spec": { "unschedulable": true, "taints": taints } });
        self.make("/api/v1/nodes", &node).await;
        name
    }

    /// Makes a pod of an account of the installation, on a node or on none yet, and returns it.
    pub(crate) async fn pod_of(&self, account: &str, part: &str, node: Option<&str>) -> Value {
        // A test may hold several tokens of one account.
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let mut pod = objects::pod(&self.named(&format!("{part}-{number}")));
        pod["spec"]["serviceAccountName"] = json!(account);
        if let Some(node) = node {
            pod["spec"]["nodeName"] = json!(node);
        }
        self.make(&format!("/api/v1/namespaces/{RELEASE}/pods"), &pod).await
    }

    /// Returns whoever holds a token of an account that is bound to a pod, as the kubelet would get it.
    pub(crate) async fn token_of(&self, account: &str, pod: &Value) -> Caller {
        let token = objects::token_for("Pod", &pod["metadata"]["name"], &pod["metadata"]["uid"]);
        self.token(account, &token).await
    }

    /// Returns whoever holds a token for which the administrator asked like this.
    pub(crate) async fn token(&self, account: &str, request: &Value) -> Caller {
        let path = format!("/api/v1/namespaces/{RELEASE}/serviceaccounts/{account}/token");
        let token = self.admin.post(&path, request).await.ok();
        Caller::holder(token["status"]["token"].as_str().expect("it is a token")).await.expect("a client starts")
    }

    /// Makes a node with an agent's pod, and returns both the node's name and the agent.
    pub(crate) async fn agent(&self, part: &str) -> (String, Caller) {
        let node = self.node(part).await;
        let pod = self.pod_of("rumpus-agent", part, Some(&node)).await;
        let agent = self.token_of("rumpus-agent", &pod).await;
        (node, agent)
    }

    /// Returns the holder of a token like the controller's own: bound to a pod of its account.
    pub(crate) async fn controller(&self) -> Caller {
        let pod = self.pod_of("rumpus-controller", "controller", None).await;
        self.token_of("rumpus-controller", &pod).await
    }

    /// Makes an Injection for a node, as the controller, and returns its path.
    pub(crate) async fn injection(&self, namespace: &str, node: &str) -> String {
        let controller = self.controller().await;
        let path = format!("{RUMPUS}/namespaces/{namespace}/chaosinjections");
        let name = self.named("injection");
        controller.post(&path, &objects::injection(&name, node)).await.ok();
        format!("{path}/{name}")
    }
}

/// Asks again until an answer is as it should be, for at most half a minute: the API server learns of
/// a changed rule or role with a delay of its own.
pub(crate) async fn until(what: &str, ask: impl AsyncFnMut() -> bool) {
    within(Duration::from_secs(30), what, ask).await;
}

/// Asks again until an answer is as it should be, and returns how long that took.
pub(crate) async fn within(limit: Duration, what: &str, mut ask: impl AsyncFnMut() -> bool) -> Duration {
    let began = Instant::now();
    while !ask().await {
        assert!(began.elapsed() < limit, "after {:.1} s not yet: {what}", began.elapsed().as_secs_f64());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    began.elapsed()
}
