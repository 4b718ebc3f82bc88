"""The servers of `run`, each real and on loopback, and a proxy in front of them that can cut a request in half or lose an answer.

What a server holds lies on a disk and outlives its process. Servers are built or installed once, below ~/.cache/kube-assay/tools.

| | |
|---|---|
| `s3://` | versitygw, a Go module |
| `gs://` | fake-gcs-server, a Go module. It checks no credentials, and takes an unsigned upload by the JSON API alone: see `Google.translated` |
| `az://` | Azurite, Microsoft's own, from npm. It writes its index every 5 s: see `Azure.settle` |
"""
import base64, datetime, hashlib, hmac, json, os, pathlib, shutil, signal, socket, subprocess, sys, threading, time
import urllib.error, urllib.parse, urllib.request
import xml.etree.ElementTree

TOOLS = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "kube-assay/tools"
BUCKET = "audits"


def go_program(module, version):
    """A Go module's program, built once."""
    name = module.rsplit("/", 1)[1]
    kept = TOOLS / f"{name}-{version}"
    if not (kept / name).exists():
        subprocess.run(["go", "install", "-ldflags=-s -w", f"{module}@{version}"], check=True, env=os.environ | {"GOBIN": str(kept)})
    return kept / name


def npm_program(name, version, program):
    """The file of an npm package that node runs, installed once."""
    kept = TOOLS / f"{name}-{version}"
    if not kept.exists():
        half = TOOLS / f"{name}-{version}.half-{os.getpid()}"
        half.mkdir(parents=True)
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", half, f"{name}@{version}"],
                       check=True, stdout=sys.stderr)
        half.rename(kept)
    return kept / "node_modules" / name / program


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A server; `front` is the proxy's port, by which the program knows it."""

    secret = "secretsecret"
    more_tests = []  # other environments that `cargo test --test store` is run with

    def __init__(self, scratch, front):
        self.scratch, self.front, self.port, self.process = scratch, front, free_port(), None
        self.data = scratch / "data"
        self.data.mkdir()
        self.prepare()
        self.start()

    def url(self, path):
        return f"{self.scheme}://{BUCKET}/{path}"

    def start(self):
        self.process = subprocess.Popen([*self.words()], stdout=open(self.scratch / "server.log", "ab"), stderr=subprocess.STDOUT,
                                        env=os.environ | self.own_environment())
        for _ in range(600):
            try:
                return urllib.request.urlopen(f"http://127.0.0.1:{self.port}/").close()
            except urllib.error.HTTPError:
                return  # it answers
            except OSError:
                time.sleep(0.05)
        sys.exit("the server did not start: " + (self.scratch / "server.log").read_text()[-2000:])

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def prepare(self):
        (self.data / BUCKET).mkdir()

    def own_environment(self):
        return {}

    def settle(self):
        """Waits until all that was acknowledged lies on the disk."""

    def translated(self, lines, body):
        """The request as the server takes it."""
        return lines, body

    def answered(self, answer):
        """The answer as the program takes it."""
        return answer

    def objects(self, prefix):
        """Bytes by name of every object below a prefix; for those whose objects are files."""
        top = self.data / BUCKET / prefix
        return {str(path.relative_to(top)): path.read_bytes() for path in top.rglob("*") if path.is_file()}


class S3(Server):
    scheme = "s3"
    more_tests = [{"AWS_CONDITIONAL_PUT": "disabled"}]
    refusals = [
        ("credentials", None, {"AWS_SECRET_ACCESS_KEY": "wrong"}, "SignatureDoesNotMatch"),
        ("bucket", "s3://nowhere/node", {}, "NoSuchBucket"),
        ("no TLS", None, {"AWS_ALLOW_HTTP": "false"}, "AWS_ALLOW_HTTP"),
        ("nobody", None, {"AWS_ENDPOINT": f"http://127.0.0.1:{free_port()}"}, "Connection refused"),
    ]

    def words(self):
        program = go_program("github.com/versity/versitygw/cmd/versitygw", "v1.8.0")
        return program, "--port", f"127.0.0.1:{self.port}", "posix", self.data

    def own_environment(self):
        return {"ROOT_ACCESS_KEY_ID": "key", "ROOT_SECRET_ACCESS_KEY": self.secret}

    def environment(self):
        return {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": self.secret, "AWS_REGION": "us-east-1",
                "AWS_ENDPOINT": f"http://127.0.0.1:{self.front}", "AWS_ALLOW_HTTP": "true"}

    def put(self, name, data):
        path = self.data / BUCKET / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def remove(self, name):
        (self.data / BUCKET / name).unlink()


class Google(Server):
    scheme = "gs"
    refusals = [
        ("bucket", "gs://nowhere/node", {}, "no such file or directory"),  # the server's own words; Google says NoSuchBucket
        ("no TLS", None, {"GOOGLE_ALLOW_HTTP": "false"}, "GOOGLE_"),
        ("nobody", None, {"GOOGLE_BASE_URL": f"http://127.0.0.1:{free_port()}"}, "Connection refused"),
    ]

    def prepare(self):
        super().prepare()
        key = subprocess.run(["openssl", "genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], check=True, capture_output=True, text=True).stdout
        self.secret = key.splitlines()[5]
        self.account = self.scratch / "account.json"
        self.account.write_text(json.dumps({"type": "service_account", "client_email": "auditor@example.iam.gserviceaccount.com",
                                            "private_key_id": "1", "private_key": key}))

    def words(self):
        program = go_program("github.com/fsouza/fake-gcs-server", "v1.56.1")
        return (program, "-scheme", "http", "-host", "127.0.0.1", "-port", str(self.port), "-public-host", f"127.0.0.1:{self.front}",
                "-backend", "filesystem", "-filesystem-root", self.data, "-log-level", "warn")

    def environment(self):
        return {"GOOGLE_APPLICATION_CREDENTIALS": str(self.account), "GOOGLE_BASE_URL": f"http://127.0.0.1:{self.front}", "GOOGLE_ALLOW_HTTP": "true"}

    def translated(self, lines, body):
        """An upload of the XML API as one of the JSON API: `PUT /BUCKET/NAME` under the header x-goog-if-generation-match is
        `POST /upload/storage/v1/b/BUCKET/o?name=NAME&ifGenerationMatch=...` there, and means the same."""
        method, path, version = lines[0].decode().split(" ")
        headers = dict(line.decode().split(": ", 1) for line in lines[1:])
        headers = {name.lower(): value for name, value in headers.items()}
        token = headers.get("authorization", "").removeprefix("Bearer ").split(".")
        claims = json.loads(base64.urlsafe_b64decode(token[1] + "==")) if len(token) == 3 else {}
        if claims.get("iss") != "auditor@example.iam.gserviceaccount.com":
            path = "/no-token-of-the-account"  # which the server itself would not mind
        elif method == "PUT":
            bucket, name = path.lstrip("/").split("/", 1)
            path = f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name={name}"
            if (condition := headers.get("x-goog-if-generation-match")) is not None:
                path += f"&ifGenerationMatch={condition}"
            method = "POST"
        return [f"{method} {path} {version}".encode(), *lines[1:]], body

    def answered(self, answer):
        """The JSON API tells an upload's tag and generation in its document, the XML API in headers."""
        head, _, body = answer.partition(b"\r\n\r\n")
        if b"storage#object" not in body or b"\r\nEtag:" in head:
            return answer
        made = json.loads(body[body.index(b"{"):body.rindex(b"}") + 1])
        return head + f"\r\nETag: \"{made['etag']}\"\r\nx-goog-generation: {made['generation']}\r\n\r\n".encode() + body

    def put(self, name, data):
        path = f"/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name={urllib.parse.quote(name, safe='')}"
        urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, method="POST")).close()

    def remove(self, name):
        (self.data / BUCKET / name).unlink()


class Azure(Server):
    scheme = "az"
    # the account that every Azurite has, from its documentation
    name = "devstoreaccount1"
    secret = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
    refusals = [
        ("credentials", None, {"AZURE_STORAGE_ACCOUNT_KEY": base64.b64encode(b"wrong").decode()}, "AuthorizationFailure"),
        ("container", "az://nowhere/node", {}, "ContainerNotFound"),
        ("no TLS", None, {"AZURE_ALLOW_HTTP": "false"}, "AZURE_"),
        ("nobody", None, {"AZURE_STORAGE_ENDPOINT": f"http://127.0.0.1:{free_port()}/{name}"}, "Connection refused"),
    ]

    def __init__(self, scratch, front):
        super().__init__(scratch, front)
        # whoever asks may read: what is there is looked at without the program
        self.signed("PUT", "", {"x-ms-blob-public-access": "container"}, query={"restype": "container"})

    def prepare(self):
        pass

    def words(self):
        program = npm_program("azurite", "3.37.0", "dist/src/blob/main.js")
        return "node", program, "--blobPort", str(self.port), "--location", self.data, "--silent", "--disableTelemetry"

    def environment(self):
        return {"AZURE_STORAGE_ACCOUNT_NAME": self.name, "AZURE_STORAGE_ACCOUNT_KEY": self.secret,
                "AZURE_STORAGE_ENDPOINT": f"http://127.0.0.1:{self.front}/{self.name}", "AZURE_ALLOW_HTTP": "true"}

    def signed(self, method, path, headers, data=b"", query={}):
        """A request under a shared key (learn.microsoft.com, "Authorize with Shared Key")."""
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%a, %d %b %Y %H:%M:%S GMT")
        headers = headers | {"x-ms-date": now, "x-ms-version": "2023-11-03"}
        place = f"/{self.name}/{BUCKET}{path}"
        named = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
        asked = "".join(f"\n{name}:{query[name]}" for name in sorted(query))
        text = "\n".join([method, "", "", str(len(data) or ""), "", "text/plain", *[""] * 6]) + f"\n{named}/{self.name}{place}{asked}"
        proof = base64.b64encode(hmac.digest(base64.b64decode(self.secret), text.encode(), hashlib.sha256)).decode()
        url = f"http://127.0.0.1:{self.port}{place}?{urllib.parse.urlencode(query)}"
        headers |= {"Authorization": f"SharedKey {self.name}:{proof}", "Content-Type": "text/plain"}
        urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method)).close()

    def put(self, name, data):
        self.signed("PUT", "/" + urllib.parse.quote(name), {"x-ms-blob-type": "BlockBlob"}, data)

    def remove(self, name):
        self.signed("DELETE", "/" + urllib.parse.quote(name), {})

    def names(self):
        query = urllib.parse.urlencode({"restype": "container", "comp": "list"})
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{self.name}/{BUCKET}?{query}") as answer:
            listed = xml.etree.ElementTree.parse(answer)
        assert not listed.findtext("NextMarker"), "more than 5,000 objects"
        return {blob.findtext("Name") for blob in listed.iter("Blob")}

    def objects(self, prefix):
        def read(name):
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{self.name}/{BUCKET}/{urllib.parse.quote(name)}") as answer:
                return answer.read()
        return {name.removeprefix(prefix + "/"): read(name) for name in self.names() if name.startswith(prefix + "/")}

    def settle(self):
        names = self.names()
        for _ in range(600):
            try:
                index = json.loads((self.data / "__azurite_db_blob__.json").read_text())
                blobs = next(held["data"] for held in index["collections"] if held["name"] == "$BLOBS_COLLECTION$")
                extents = (self.data / "__azurite_db_blob_extent__.json").read_text()
                if {blob["name"] for blob in blobs} == names and all(blob["persistency"]["id"] in extents for blob in blobs):
                    return
            except (OSError, ValueError, StopIteration):
                pass  # it is being written
            time.sleep(0.05)
        sys.exit("azurite did not write its index")


class Proxy:
    """HTTP on loopback in front of a server. `fault` is asked of each request, by its method and unescaped path: 'cut' forwards half of it and
    kills the server, 'lose' takes the answer and closes, 'end' does so after the server is dead."""

    def __init__(self):
        self.server, self.fault = None, lambda *_: None
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with client:
            head = b""
            while b"\r\n\r\n" not in head:
                more = client.recv(65536)
                if not more:
                    return
                head += more
            head, body = head.split(b"\r\n\r\n", 1)
            lines = head.split(b"\r\n")
            method, path, _ = lines[0].decode().split(" ")
            length = next((int(line.split(b":")[1]) for line in lines if line.lower().startswith(b"content-length:")), 0)
            while len(body) < length:
                body += client.recv(65536)
            fault = self.fault(method, urllib.parse.unquote(path))
            lines, body = self.server.translated(lines, body)
            try:
                with socket.create_connection(("127.0.0.1", self.server.port), timeout=30) as server:
                    server.sendall(b"\r\n".join(lines + [b"Connection: close", b"", b""]) + (body[:length // 2] if fault == "cut" else body))
                    if fault == "cut":
                        time.sleep(0.2)  # what was sent has reached the server, which waits for the rest
                        return self.server.kill()
                    answer = b""
                    while more := server.recv(65536):
                        answer += more
                    if fault == "end":
                        self.server.settle()
                        self.server.kill()
                    if fault is None:
                        client.sendall(self.server.answered(answer))
            except OSError:
                return  # no server: the client finds its connection closed
