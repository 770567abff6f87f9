"""render_chat.py FILE.jinja: as tests/renderchat, by Python's Jinja, set up as
transformers does it.

render_chat.py OURS THEIRS: compare two outputs of it; the last line is
"N equal, N differ".  Errors of theirs are left out, and so is what they print
of a list as their language shows it: ours says that it does not.
"""
import json
import sys

LISTS = ("prints a list or a mapping: only tojson does",
         "with a string and a list")


def render(path):
    import jinja2
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refuse(text):
        raise jinja2.exceptions.TemplateError(text)

    def tojson(x, ensure_ascii=False, indent=None, separators=None,
               sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent,
                          separators=separators, sort_keys=sort_keys)

    e = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                      extensions=[loopcontrols])
    e.filters["tojson"] = tojson
    # of Markup: it would escape what is added to it as for HTML
    e.filters["safe"] = str
    e.globals["raise_exception"] = refuse
    template = e.from_string(open(path, encoding="utf-8").read())
    for line in sys.stdin:
        try:
            print(json.dumps(template.render(**json.loads(line))))
        except Exception as x:
            print(json.dumps({"error": str(x)}))


def compare(ours, theirs):
    equal = differ = 0
    pairs = zip(open(ours, encoding="utf-8"), open(theirs, encoding="utf-8"))
    for i, (a, b) in enumerate(pairs, 1):
        a, b = json.loads(a), json.loads(b)
        if isinstance(b, dict) or "[object " in b:
            continue
        if isinstance(a, dict) and a["error"].endswith(LISTS) and any(
                shown in b for shown in ("{'type': 'te", '{"type": "te')):
            continue
        if a == b:
            equal += 1
        else:
            differ += 1
            print("line", i, "ours", json.dumps(a)[:2000])
            print("line", i, "theirs", json.dumps(b)[:2000])
    print(equal, "equal,", differ, "differ")


if len(sys.argv) == 2:
    render(sys.argv[1])
else:
    compare(*sys.argv[1:])
