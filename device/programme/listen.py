"""`vitrine programme say|voices`: hear a line before it is published."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path


def register(
    actions: argparse._SubParsersAction[argparse.ArgumentParser], examples: str
) -> None:
    """Add `say` and `voices`."""
    shape = argparse.RawDescriptionHelpFormatter
    words = "speak a line into a sound file, as a build would"
    say = actions.add_parser(
        "say", help=words, description=words, epilog=examples, formatter_class=shape)
    say.add_argument("text", help="the line, with digits and signs as it is written")
    say.add_argument("--language", default="", help="zh-CN or en-US (default: by its letters)")
    say.add_argument("--voice", help="one of `vitrine programme voices`")
    say.add_argument("--speed", type=float, default=1.0, help="0.5 to 2 (default 1)")
    say.add_argument("--out", type=Path, default=Path("line.wav"), help="default: line.wav")
    say.set_defaults(run=run_say)
    words = "list the voices of every language and who speaks them"
    voices = actions.add_parser(
        "voices", help=words, description=words, epilog=examples, formatter_class=shape)
    voices.set_defaults(run=run_voices)
    for parser in (say, voices):
        parser.add_argument("--speech", type=Path,
                            help="settings of speech servers (docs/speech.md)")
        parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run_say(args: argparse.Namespace) -> int:
    """Write the sound, and print how it was read."""
    from device.audio.soundfiles import write_wav
    from device.paths import assets_dir, speech_settings
    from device.programme.voices import VoiceOnDemand, speakers
    from device.stage.announcer import language_of
    from device.tts.r128 import integrated_lufs, true_peak_dbtp
    from device.tts.text import normalise

    language = args.language or language_of(args.text)
    voice = speakers(
        VoiceOnDemand.from_assets(assets_dir()), args.speech or speech_settings()).of(language)
    speech = voice.synthesise(args.text, language, args.speed, args.voice)
    rate_hz = speech.sample_rate_hz
    write_wav(args.out, speech.samples, rate_hz)
    answer = {
        "ok": True,
        "out": str(args.out),
        "language": language,
        "engine": voice.engine,
        "read": normalise(args.text, language),
        "duration_s": round(len(speech.samples) / rate_hz, 2),
        "lufs": round(integrated_lufs(speech.samples, rate_hz), 1),
        "peak_dbtp": round(true_peak_dbtp(speech.samples), 1),
    }
    if args.json:
        print(json.dumps(answer, ensure_ascii=False))
        return 0
    print(f"{answer['read']}\n{args.out}: {answer['duration_s']} s, {answer['lufs']} LUFS, peak "
          f"{answer['peak_dbtp']} dBTP, {language}, {voice.engine}", file=sys.stderr)
    return 0


def run_voices(args: argparse.Namespace) -> int:
    """Print the voices; the first of a language is taken where a programme names none."""
    from device.paths import assets_dir, speech_settings
    from device.programme.voices import VoiceOnDemand, speakers

    own = VoiceOnDemand.from_assets(assets_dir())
    asked = speakers(own, args.speech or speech_settings())
    languages = dict.fromkeys((*own.voices, *asked.languages))
    names = {each: list(asked.of(each).voices.get(each, ())) for each in languages}
    if args.json:
        found = {each: {"engine": asked.of(each).engine, "voices": names[each]} for each in names}
        print(json.dumps({"ok": True, "languages": found}, ensure_ascii=False))
        return 0
    for language, voices in names.items():
        print(f"{language}: {', '.join(voices)} ({asked.of(language).engine})")
    return 0
