# SPDX-License-Identifier: MIT
"""That floors.py and figures.py see what they are there for: small trees with one fault each."""
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
TOP = "/* SPDX-License-Identifier: MIT */\n/* Words. */\n"

# name, {file: text}, what floors.py must say ("" = it must be content)
TREES = [
    ("down", {"src/base/a.c": "int a(void);\nint a(void) { return 1; }\n",
              "src/wire/b.c": "int a(void);\nint b(void);\nint b(void) { return a(); }\n"}, ""),
    ("up", {"src/base/a.c": "int b(void);\nint a(void);\nint a(void) { return b(); }\n",
            "src/wire/b.c": "int b(void);\nint b(void) { return 1; }\n"},
     "src/base/a.c: calls b of src/wire/b.c: upwards"),
    ("include up", {"src/base/a.c": '#include "wire/b.h"\nint a;\n', "src/wire/b.h": "\n"},
     "src/base/a.c:1: includes src/wire/b.h: upwards"),
    ("call cycle", {"src/base/a.c": "int b(void);\nint a(void);\nint a(void) { return b(); }\n",
                    "src/base/b.c": "int a(void);\nint b(void);\nint b(void) { return a(); }\n"},
     "cycle of calls inside a folder: src/base/a, src/base/b"),
    ("include cycle", {"src/base/a.h": '#include "base/b.h"\n', "src/base/b.h": '#include "base/a.h"\n'},
     "cycle of includes inside a folder: src/base/a.h, src/base/b.h"),
    ("by pointer", {"src/base/a.c": "int a(int (*up)(void));\nint a(int (*up)(void)) { return up(); }\n",
                    "src/wire/b.c": "int a(int (*up)(void));\nint b(void);\nint c(void);\n"
                                    "int b(void) { return 1; }\nint c(void) { return a(b); }\n"}, ""),
    ("system call", {"src/run/a.c": "#include <unistd.h>\nint a(void);\nint a(void) { return close(3); }\n"},
     "src/run/a.c: uses close, which is not in the list"),
    ("system call in platform", {"platform/a.c": "#include <unistd.h>\nint a(void);\n"
                                                 "int a(void) { return close(3); }\n"}, ""),
    ("print", {"src/run/a.c": '#include <stdio.h>\nvoid a(void);\nvoid a(void) { printf("%d", 1); }\n'},
     "src/run/a.c: uses printf"),
    ("no floor", {"src/other/a.c": "int a;\n"}, "this folder is no floor"),
]

# name, text of src/base/a.c, what figures.py must say
FIGURES = [
    ("clean", TOP + "int a(void)\n{\n    return 1;\n}\n", ""),
    ("no licence", "int a;\n", "the first line is not the SPDX line"),
    ("no purpose", TOP.splitlines()[0] + "\nint a;\n", "no comment that says what the file does"),
    ("long function", TOP + "void a(void)\n{\n" + "    ;\n" * 80 + "}\n", "a has 83 lines, more than 80"),
    ("long file", TOP + "int a;\n" * 699, "701 lines, more than 700"),
    ("parameters", TOP + "int a(int b, int c, int d, int e, int f, int g);\n", "6 parameters"),
    ("unsafe", TOP + "void a(void)\n{\n    strcpy(b, c);\n}\n", "unsafe call"),
    ("in a comment", TOP + "/* strcpy(b, c) malloc(3) */\n", ""),
    ("heap", TOP + "void *a(void)\n{\n    return malloc(3);\n}\n", "heap outside"),
    ("own free", TOP + "void a(void)\n{\n    pool_free(b);\n}\n", ""),
    ("system name", TOP + "#ifdef __linux__\n#endif\n", "the operating system outside platform/"),
    ("unfinished", TOP + "/* TO" "DO */\n", "unfinished"),
    ("struct typedef", TOP + "typedef struct b b;\n", "typedef of a struct"),
    ("wide", TOP + "/* " + "x" * 98 + " */\n", "104 columns"),
]


def write(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize("files, expected", [t[1:] for t in TREES], ids=[t[0] for t in TREES])
def test_floors(tmp_path, files, expected):
    write(tmp_path, files)
    for name in files:
        if name.endswith(".c"):
            obj = tmp_path / "obj" / name[:-2]
            obj.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["gcc", "-w", "-I.", "-Isrc", "-c", "-o", f"{obj}.o", name], cwd=tmp_path, check=True)
    out = subprocess.run([sys.executable, HERE / "floors.py", "obj"], cwd=tmp_path, capture_output=True,
                         text=True, check=False)
    assert out.returncode == (1 if expected else 0), out.stdout + out.stderr
    assert expected in out.stdout


@pytest.mark.parametrize("text, expected", [t[1:] for t in FIGURES], ids=[t[0] for t in FIGURES])
def test_figures(tmp_path, text, expected):
    write(tmp_path, {"src/base/a.c": text})
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    out = subprocess.run([sys.executable, HERE / "figures.py"], cwd=tmp_path, capture_output=True, text=True,
                         check=False)
    assert out.returncode == (1 if expected else 0), out.stdout + out.stderr
    assert expected in out.stdout
