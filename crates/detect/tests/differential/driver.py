"""Answers for sigma_differential.rs, one line of JSON for each line of JSON, with the functions of the reference evaluator.

The first argument is the path of the evaluator. A question is {"rules": text, "placeholders": map, "events": [[seconds, event], ...]};
the answer is {"fires": {title: [numbers of events]}}, or {"refused": reason}, or {"broken": what the evaluator stumbled over}.
"""
import importlib.util
import json
import sys


def answer(reference, question):
    try:
        events = [(time, event) for time, event in question["events"]]
        fires, base = reference.run_corr(question["rules"], events, question["placeholders"])
        return {"fires": {**base, **fires}}
    except reference.Bad as problem:
        return {"refused": str(problem)}
    except Exception as problem:
        return {"broken": repr(problem)}


def main():
    try:
        specification = importlib.util.spec_from_file_location("reference", sys.argv[1])
        reference = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(reference)
    except ImportError as problem:
        print(json.dumps({"missing": str(problem)}), flush=True)
        return
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(reference, json.loads(line))), flush=True)


main()
