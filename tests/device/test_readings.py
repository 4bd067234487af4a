"""Chinese readings in little memory are the package's own."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from device.conversation.readings import pypinyin, shared
from device.paths import repository_root

TEXTS = ("重庆的银行行长喜欢喝长白山的乌龙茶", "还有还价的吗", "朝阳区的都督不都着急", "一不小心")


def test_all_words_keep_their_readings_and_share_them() -> None:
    spec = find_spec("pypinyin")
    assert spec is not None and spec.origin
    text = Path(spec.origin).with_name("phrases_dict.json").read_text(encoding="utf-8")
    wanted, found = json.loads(text), shared(text)
    assert found == {word: [tuple(r) for r in readings] for word, readings in wanted.items()}
    kept = {id(reading) for readings in found.values() for reading in readings}
    assert len(found) > 40_000 and len(kept) < 2_000


def test_sentences_read_as_by_the_package_alone() -> None:
    asking = ("import json, sys; import pypinyin as p; print(json.dumps([p.pinyin(t, heteronym=h)"
              " for t in sys.argv[1:] for h in (False, True)]))")
    alone = subprocess.run([sys.executable, "-c", asking, *TEXTS], capture_output=True, check=True,
                           cwd=repository_root())
    ours = pypinyin()
    found = [ours.pinyin(text, heteronym=both) for text in TEXTS for both in (False, True)]
    assert found == json.loads(alone.stdout)
    assert found == [ours.pinyin(text, heteronym=both) for text in TEXTS for both in (False, True)]
