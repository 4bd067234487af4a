"""The commands `vitrine avatar import` and `vitrine avatar loop`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

RAW = argparse.RawDescriptionHelpFormatter
FRAME_MS = 40.0
IMPORT_HELP = """examples:
  ./vitrine avatar import --video presenter.mp4 --model wav2lip.onnx --id mei \\
      --consent statement.json --key ~/keys/likeness.pem --out my-avatars/mei
  ./vitrine avatar import --video presenter.mp4 --model unet.onnx --audio-encoder hubert.onnx \\
      --id mei --consent statement.json --key ~/keys/likeness.pem --out my-avatars/mei
  ./vitrine render --avatar my-avatars/mei --audio hello.wav --out hello.mp4
"""
LOOP_HELP = """example:
  ./vitrine avatar loop --video presenter.mp4 --out loop.mp4
"""


def register(actions: Any) -> None:
    """Add `import` and `loop` to `avatar`."""
    bring: argparse.ArgumentParser = actions.add_parser(
        "import", help="make a bundle of a video and a Wav2Lip or Ultralight network",
        description="Make a bundle that plays of a talking-head video and an ONNX in the input "
                    "layout of Wav2Lip or Ultralight-Digital-Human.",
        formatter_class=RAW, epilog=IMPORT_HELP)
    bring.add_argument("--video", type=Path, required=True, help="the person, from the front")
    bring.add_argument("--model", type=Path, required=True, help="the lip-sync network, ONNX")
    bring.add_argument("--audio-encoder", type=Path, help="Ultralight: the encoder it hears with")
    bring.add_argument("--id", required=True, help="the avatar's name, small letters and digits")
    bring.add_argument("--consent", type=Path, required=True,
                       help="the owner's consent: a signed envelope, or a statement with --key")
    bring.add_argument("--key", type=Path, help="ed25519 key that signs the statement")
    bring.add_argument("--trust", type=Path, help="public key that signed the envelope (default: "
                                                  "likeness-root.pub beside the bundle)")
    bring.add_argument("--out", type=Path, required=True, help="the bundle's folder, a new one")
    bring.add_argument("--int8", action="store_true", help="also quantise (needs onnx)")
    bring.add_argument("--name", help="what people call the avatar")
    bring.add_argument("--version", type=int, default=1, help="version in avatar.json")
    bring.add_argument("--json", action="store_true")
    bring.set_defaults(run=_import)
    loop: argparse.ArgumentParser = actions.add_parser(
        "loop", help="make the idle loop of a video, for its owner to consent to",
        description="Make the idle loop of a video and say its SHA-256, for a consent to be signed "
                    "before the import.",
        formatter_class=RAW, epilog=LOOP_HELP)
    loop.add_argument("--video", type=Path, required=True)
    loop.add_argument("--out", type=Path, required=True, help="a new .mp4")
    loop.add_argument("--json", action="store_true")
    loop.set_defaults(run=_loop)


def _import(args: argparse.Namespace) -> int:
    from models.importing.bundle import Order, import_avatar
    from ota.clock import utc_now

    order = Order(args.id, args.video, args.model, args.consent, args.out, args.audio_encoder,
                  args.key, args.trust, args.int8, args.version, args.name)
    found = import_avatar(order, _tracker, utc_now(), _teller())
    if found["loop"]["lips_move"]:
        _say("Note: the person's lips move in the idle loop, so they will move in silence too; a "
             "video with a calm stretch of 12 s is better.")
    if found["frame_ms"] > FRAME_MS:
        _say(f"Note: the network took {found['frame_ms']:.0f} ms a frame on one thread here, a "
             f"frame lasts {FRAME_MS:.0f}; live, the mouth will move in fewer pictures a second "
             "(try --int8, or a smaller network).")
    _print(found, args.json, f"The avatar is in {args.out}; try it with `./vitrine render "
                             f"--avatar {args.out} --audio hello.wav --out hello.mp4`.")
    return 0


def _loop(args: argparse.Namespace) -> int:
    from models.importing.bundle import make_loop

    found = make_loop(args.video, args.out, _tracker, _teller())
    _print(found, args.json, f"{args.out}: have its owner sign a consent with base_sha256 "
                             f"{found['base_sha256']}, then import it.")
    return 0


def _tracker() -> Any:
    from device.paths import assets_dir
    from models.film.landmarks import FaceTracker

    return FaceTracker(assets_dir())


def _teller() -> Callable[[str, int, int], None]:
    """One progress bar for each stage."""
    from models.progress import Progress

    bars: dict[str, Progress] = {}

    def tell(what: str, done: int, total: int) -> None:
        if what not in bars:
            bars[what] = Progress(_say, what)
        bars[what].at(done, total)

    return tell


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _print(values: dict[str, Any], as_json: bool, sentence: str) -> None:
    print(json.dumps(values, ensure_ascii=False) if as_json else sentence)
