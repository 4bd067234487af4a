"""`vitrine ask`: one question through ear and conversation."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

_EXAMPLES = """examples:
  vitrine ask --programme programmes/tea-shop --text 龙井多少钱
  vitrine ask --programme programmes/tea-shop --audio question.wav --json
"""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `ask`."""
    parser = commands.add_parser(
        "ask",
        help="ask a programme one question, spoken or written",
        description="One question through the kiosk's own ear and conversation.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--programme", required=True, type=Path, metavar="DIR")
    question = parser.add_mutually_exclusive_group(required=True)
    question.add_argument("--audio", type=Path, metavar="FILE", help="a recording, any rate")
    question.add_argument("--text", help="the question as text")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print what the kiosk would say; exit 0 whether there is an answer or not."""
    from device.conversation.ask import ask_any, open_script
    from device.conversation.meaning import Meaning
    from device.paths import assets_dir
    from ota.clock import monotonic_s, utc_now

    script = open_script(args.programme)
    latency_ms: dict[str, float] = {}
    texts = [(str(args.text), "")]
    if args.audio is not None:
        texts = _heard(args.audio, script.programme.languages, args.programme, latency_ms)
    script = script.with_meaning(Meaning.load(assets_dir()))
    script.matcher.match("")  # the syllable tables load now, as they do before a kiosk is ready
    started_s = monotonic_s()
    found = ask_any(script, texts, utc_now())
    latency_ms["answer"] = round((monotonic_s() - started_s) * 1000, 2)
    latency_ms["total"] = round(sum(latency_ms.get(name, 0.0) for name in ("hear", "answer")), 2)
    if args.json:
        answer = {
            "transcript": found.transcript,
            "language": found.language,
            "answer_id": found.answer_id,
            "score": round(found.score, 3),
            "say": found.say,
            "show": found.show,
            "why": found.why,
            "latency_ms": latency_ms,
        }
        print(json.dumps(answer, ensure_ascii=False))
        return 0
    print(f"heard:  {found.transcript or '(nothing)'}", file=sys.stderr)
    print(
        f"answer: {found.answer_id or '-'}  score {found.score:.2f}  {found.why}", file=sys.stderr
    )
    print(found.say or "")
    return 0


def _heard(
    audio: Path, languages: tuple[str, ...], folder: Path, latency_ms: dict[str, float]
) -> list[tuple[str, str]]:
    """(text, language) of every utterance of a recording, as the ear process hears them.

    `latency_ms` gets "load" (the models), "hear" (voice detection and recognition of the whole
    recording) and "recognise" (of it, the recogniser's share).
    """
    from device.asr.utterances import hear
    from device.asr.vad import Vad
    from device.asr.vocabulary import vocabulary
    from device.asr.whisper import Whisper
    from device.audio.soundfiles import read
    from device.paths import assets_dir
    from device.programme.load import load
    from ota.clock import monotonic_s

    samples = read(audio, 16_000, allow_silence=False)
    started_s = monotonic_s()
    recogniser, vad = Whisper.load(assets_dir(), threads=2), Vad.load(assets_dir())
    loaded_s = monotonic_s()
    transcripts = hear(samples, languages, vocabulary(load(folder)), recogniser, vad)
    latency_ms["load"] = round((loaded_s - started_s) * 1000, 1)
    latency_ms["hear"] = round((monotonic_s() - loaded_s) * 1000, 1)
    latency_ms["recognise"] = round(sum(each.took_ms for each in transcripts), 1)
    return [(each.text, each.language) for each in transcripts]
