"""The commands `vitrine models ...` (build side) and `vitrine avatar ...` (bundles)."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from models import compile_cli
from models.film import cli as film_cli
from models.importing import cli as importing_cli
from models.measure import cli as measure_cli
from models.person.cast import CAST, character
from models.speech import cli as speech_cli
from ota.errors import Refused

RAW = argparse.RawDescriptionHelpFormatter


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `models` and `avatar` to the dispatcher."""
    _register_models(commands)
    _register_avatar(commands)


def _register_models(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    models = commands.add_parser(
        "models", help="make, quantise and compare avatars; fetch models", formatter_class=RAW,
        epilog="example:\n  ./vitrine models make lin --assets ~/ICT-FaceKit/FaceXModel")
    actions = models.add_subparsers(dest="action", metavar="ACTION", required=True)

    make = _action(actions, "make", "make an avatar from face assets or from a video; can be "
                   "stopped and resumed", "./vitrine models make lin --assets "
                   f"~/ICT-FaceKit/FaceXModel\n  {film_cli.EXAMPLE}", _make)
    make.add_argument("name", help="who to make: lin, chen, or any name for a person in a --video")
    make.add_argument("--assets", type=Path,
                      help="ICT-FaceKit's FaceXModel folder, or the .npz made of it")
    make.add_argument("--work", type=Path, help="renders and weights (default .work/NAME)")
    make.add_argument("--out", type=Path, help="bundle folder (default models/avatars/NAME)")
    make.add_argument("--key", type=Path, help="ed25519 key that signs the likeness consent "
                                               "(default: .work/likeness-key.pem, made if missing)")
    make.add_argument("--threads", type=int, default=1)
    make.add_argument("--version", type=int, default=4, help="version in avatar.json")
    make.add_argument("--quick", action="store_true", help="few pictures, few steps: a try-out")
    make.add_argument("--large", action="store_true", help="also the 2160x3840 bundle NAME-4k")
    film_cli.add_arguments(make)

    quant = _action(actions, "quantize", "quantise a renderer to INT8",
                    "./vitrine models quantize --work .work/lin", _quantize)
    quant.add_argument("--work", type=Path, default=Path(".work/lin"))

    measure_cli.register(actions)
    speech_cli.register(actions)
    listing = _action(actions, "list", "avatars and speech models of this checkout and box",
                      "./vitrine models list --json", _list)
    listing.add_argument("--json", action="store_true")
    listing.add_argument("--verify", action="store_true", help="hash every byte again")

    compile_cli.register(actions)
    fetch = _action(actions, "fetch", "bring the pinned speech models here",
                    "./vitrine models fetch --all\n  ./vitrine models fetch vosk-ko", _fetch)
    fetch.add_argument("names", nargs="*", help="models to fetch")
    fetch.add_argument("--all", action="store_true")
    fetch.add_argument("--verify", action="store_true", help="hash every byte again")


def _register_avatar(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    avatar = commands.add_parser(
        "avatar", help="import, check or describe an avatar bundle", formatter_class=RAW,
        epilog="example:\n  ./vitrine avatar check models/avatars/lin")
    actions = avatar.add_subparsers(dest="action", metavar="ACTION", required=True)
    importing_cli.register(actions)
    for name, what, run in (
        ("check", "verify every hash, the consent and both networks", _check),
        ("info", "what is in a bundle", _info),
    ):
        action = _action(actions, name, what, f"./vitrine avatar {name} models/avatars/lin", run)
        action.add_argument("folder", type=Path, help="the folder with avatar.json")
        action.add_argument("--trust", type=Path, help="public key (PEM) that signed the consent; "
                                                       "default: likeness-root.pub beside it")
        action.add_argument("--chain", default="*", help="the shop chain that wants to show it")
        action.add_argument("--json", action="store_true")


def _action(actions: Any, name: str, what: str, example: str, run: Any
            ) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(
        name, help=what, description=what[0].upper() + what[1:] + ".", formatter_class=RAW,
        epilog=f"example:\n  {example}")
    parser.set_defaults(run=run)
    return parser


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _make(args: argparse.Namespace) -> int:
    from device.paths import assets_dir, repository_root
    from models.make import make
    from models.plan import Plan

    if args.video is not None:
        return film_cli.make_from_video(args)
    if args.name not in CAST or args.assets is None:
        raise Refused(f"{args.name} needs --video with --consent; only {', '.join(CAST)} are "
                      "made from --assets.")
    work = args.work or Path(".work") / args.name
    out = args.out or repository_root() / "models" / "avatars" / args.name
    key = args.key or work.parent / "likeness-key.pem"
    make(Plan(character(args.name), args.assets.absolute(), assets_dir(), work.absolute(),
              out.absolute(), args.version, key.absolute(), args.threads, args.quick, args.large),
         _say)
    _say(f"The avatar is in {out}; look at it with `./vitrine avatar info {out}`.")
    return 0


def _work_files(work: Path) -> tuple[Path, Path]:
    fp32, int8 = work / "renderer.fp32.onnx", work / "renderer.int8.onnx"
    if not fp32.is_file():
        raise Refused(f"There is no trained renderer in {work}; run `vitrine models make` first.")
    return fp32, int8


def _quantize(args: argparse.Namespace) -> int:
    from models.net.quantize import quantize
    from models.stages import read_pictures

    fp32, int8 = _work_files(args.work)
    data = read_pictures(args.work)
    quantize(fp32, int8, data.codes[~data.held_out])
    _say(f"{int8}: {int8.stat().st_size / 1e6:.1f} MB")
    return 0


def _list(args: argparse.Namespace) -> int:
    from device.paths import assets_dir, repository_root
    from models.registry import read_registry

    folder = repository_root() / "models" / "avatars"
    avatars = sorted(p.parent.name for p in folder.glob("*/avatar.json"))
    speech = {
        name: {"what": model.what, "licence": model.licence,
               "here": any(all((assets_dir() / f.path).is_file() for f in files)
                           for files in model.variants)}
        for name, model in read_registry().items()}
    recognisers = speech_cli.listed(args.verify)
    if args.json:
        _print({"avatars": avatars, "speech": speech, "recognisers": recognisers}, True)
        return 0
    print("\n".join([f"avatars: {', '.join(avatars)}", "",
                     *speech_cli.list_lines(recognisers), "", "other models:"]))
    names = {r["name"] for r in recognisers}
    others = {n: s for n, s in speech.items() if n not in names}
    for name, model in others.items():
        print(f"  {name:<14} {'here' if model['here'] else 'missing':<8} {model['what']}; "
              f"{model['licence']}")
    return 0


def _fetch(args: argparse.Namespace) -> int:
    from models.fetch import main

    switches = [f"--{name}" for name in ("all", "verify") if getattr(args, name)]
    return main([*args.names, *switches])


def _load(args: argparse.Namespace) -> Any:
    from device.render.bundle import load_bundle
    from ota.clock import utc_now
    from ota.trust.keys import PublicKey

    trusted = (PublicKey.load(args.trust),) if args.trust else None
    return load_bundle(args.folder, utc_now(), args.chain, trusted)


def _check(args: argparse.Namespace) -> int:
    """Beyond the hashes: both networks load and answer in the declared shapes."""
    import numpy as np

    from device.render.mouths import open_mouth

    bundle = _load(args)
    for precision in ("int8", "fp32"):
        mouth = open_mouth(bundle, precision)
        still = mouth.patch(mouth.rest)
        moved = mouth.patch(mouth.rest + np.float32(0.4))
        if still[..., 3].any() or not moved[..., 3].any():
            raise Refused(f"The {precision} renderer of {bundle.manifest.id} does not move the "
                          "mouth; make the bundle again.")
        if len(mouth.codes(np.zeros(16_000, np.float32))) != 25:
            raise Refused(f"The voice network of {bundle.manifest.id} has the wrong frame rate.")
    summary = {"ok": True, "id": bundle.manifest.id, "version": bundle.manifest.version,
               "consent_until": bundle.consent.valid_until.isoformat()}
    _print(summary, args.json)
    return 0


def _info(args: argparse.Namespace) -> int:
    bundle = _load(args)
    m, c = bundle.manifest, bundle.consent
    sizes = {p.name: p.stat().st_size for p in sorted(args.folder.iterdir()) if p.is_file()}
    _print({
        "id": m.id, "version": m.version, "name": m.name, "size": list(m.size), "fps": m.fps,
        "frames": m.base.frames,
        "gestures_s": {name: round(ref.frames / m.fps, 2) for name, ref in m.gestures.items()},
        "patch_px": m.patch, "kind": m.kind, "codes": m.code.names,
        "lookahead_ms": m.voice_to_code.lookahead_ms if m.voice_to_code is not None
        else m.renderer.get("lookahead_ms"), "quality": m.quality,
        "consent": {"owner": c.owner, "chains": c.chains, "until": c.valid_until.isoformat(),
                    "revocation_id": c.revocation_id},
        "bytes": sizes, "bytes_total": sum(sizes.values()),
    }, args.json)
    return 0


def _print(values: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(values, ensure_ascii=False))
        return
    for key, value in values.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        print(f"{key:>18}  {text}")
