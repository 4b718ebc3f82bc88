"""Our own answers, by the program in main.rs."""
import json, pathlib, subprocess, sys

ROOT = pathlib.Path(__file__).resolve().parents[3]


def our_program():
    done = subprocess.run(["cargo", "test", "--quiet", "--test", "rbac-answers", "--no-run", "--message-format=json"], cwd=ROOT, capture_output=True, text=True)
    for line in done.stdout.splitlines():
        message = json.loads(line)
        if message.get("reason") == "compiler-artifact" and message["target"]["name"] == "rbac-answers" and message.get("executable"):
            return message["executable"]
    sys.exit(f"rbac-answers does not build: {done.stderr[-2000:]}")


def ours(program, roles, bindings, **asked):
    document = {"roles": roles, "bindings": bindings, "aggregate": False} | asked
    done = subprocess.run([program], input=json.dumps(document), capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"rbac-answers: {done.stderr[-2000:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]
