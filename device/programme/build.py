"""`programme build`: the speech of every sentence, and the index of every file."""

from __future__ import annotations

import hashlib
import shutil
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from device.audio.soundfiles import Samples, read
from device.programme.check import check
from device.programme.crew import Progress, all_made
from device.programme.lines import (
    Variables,
    fill,
    line_key,
    merged,
    spoken_lines,
    spoken_pieces,
    variant_suffix,
)
from device.programme.load import ASSET_BYTES_MAX, inside, load, load_index
from device.programme.ogg import opus_bytes
from device.programme.recordings import BY_PERSON, LEVELLING, finished
from device.programme.schema import (
    INDEX_FILE,
    SCHEMA,
    SPEECH_FOLDER,
    Clip,
    Index,
    IndexedFile,
    Programme,
)
from device.programme.voices import speaker, voice_name
from device.programme.word_times import aligned_ms, phoneme_times
from device.tts.engine import Engine, SpeechLike
from device.tts.speakers import Speakers
from device.tts.text import normalise
from ota.errors import Refused, Retry
from ota.files import sha256_file, write_durable

FILES_MAX = 20_000
FOLDER_BYTES_MAX = 2 << 30
_CLIP_RATE_HZ = 48_000


@dataclass(frozen=True)
class Said:
    """What is known of a clip; times in ms of it, () where nobody knows. See schema.Clip."""

    duration_ms: int
    starts_ms: tuple[int, ...] = ()
    phonemes: str = ""
    phonemes_ms: tuple[int, ...] = ()


@dataclass(frozen=True)
class Wanted:
    """One sentence that needs a clip."""

    key: str
    text: str
    language: str
    voice: str
    file: str
    recording: str | None = None
    by: str = ""


def build(
    folder: Path,
    voice: Engine | Speakers,
    progress: Progress = lambda done, total: None,
    stores: Sequence[Variables] = (),
    more: Sequence[Engine | Speakers] = (),
) -> Index:
    """Make `speech/` and `index.json` of a folder with a `programme.json`; returns the index.

    Only sentences without a clip are synthesised: a clip's name is the hash of its text,
    language, voice and synthesiser, or of its recording, which takes precedence. `stores` are
    further values of the variables, one mapping a store, for which the lines with placeholders
    are built too. `more` are further synthesisers like `voice`: they work beside it, and the
    bytes are the same. The index is written last, so a build that is cut off leaves the folder
    as it was. `progress(done, total)` counts clips to make. Raises Refused when the programme
    has a fault.
    """
    faults = check(folder)
    if faults:
        first = faults[0]
        raise Refused(
            f"{folder / first.file} line {first.line}: {first.field}: {first.sentence_en} / "
            f"{first.sentence_zh} ({len(faults)} in all; `vitrine programme check` lists them)."
        )
    programme = load(folder)
    wanted = list(sentences(programme, voice, stores, folder))
    clips = _known_clips(folder)
    clips.update(_left_clips(folder, {w.file for w in wanted} - clips.keys()))
    missing = list({w.file: w for w in wanted if w.file not in clips}.values())
    clips.update(all_made(missing, (voice, *more), partial(_made, folder), progress))
    speech = {
        w.key: Clip(
            file=w.file,
            text=w.text,
            language=w.language,
            sentences=(w.text,),
            **vars(clips[w.file]),
            by=w.by,
        )
        for w in wanted
    }
    used = {w.file for w in wanted}
    index = Index(schema=SCHEMA, files=_files(folder, used), speech=speech)
    data = msgspec.json.format(msgspec.json.encode(index, order="sorted"), indent=1) + b"\n"
    path = folder / INDEX_FILE
    if not path.is_file() or path.read_bytes() != data:
        write_durable(path, data)
    _prune(folder, used)
    return index


def copy_source(folder: Path, out: Path) -> None:
    """Copy a programme's folder for a build elsewhere; clips that are there already are kept."""
    if out.resolve() == folder.resolve():
        return
    for name, path in _walk(folder):
        target = out / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        except OSError as error:
            raise Retry(f"{target} cannot be written ({error.strerror}); free the disk.") from error


def sentences(
    programme: Programme, voice: Engine | Speakers, stores: Sequence[Variables] = (),
    folder: Path | None = None,
) -> Iterator[Wanted]:  # fmt: skip
    """Every sentence of every line in every language, with the name of its clip.

    Recordings are looked for in `folder`; without one every line is synthesised.
    """
    for kind, item_id, item in spoken_lines(programme):
        for language, template in item.say.items():
            files = (item.recording or {}).get(language, ()) if folder is not None else ()
            seen: set[str] = set()
            for values in (None, *stores):
                text = fill(template, programme, merged(programme, values), language)
                if text is None or text in seen:
                    continue
                suffix = variant_suffix(text) if seen else ""
                seen.add(text)
                pieces = spoken_pieces(text, language, files)
                for number, (sentence, file) in enumerate(pieces):
                    key = line_key(kind, item_id, language, number) + suffix
                    if file is not None and folder is not None:
                        yield _recorded(key, sentence, language, folder, file)
                    else:
                        yield _wanted(key, sentence, language, programme, voice)


def _wanted(
    key: str, text: str, language: str, programme: Programme, voice: Engine | Speakers
) -> Wanted:
    engine = speaker(voice, language)
    name = voice_name(programme, voice, language)
    parts = [text, language, name, engine.engine]
    # A better reading of a number is another clip, and only of the lines that hold one.
    reading = normalise(text, language)
    parts += [reading] if reading != text else []
    by = engine.engine if isinstance(voice, Speakers) and engine is not voice.own else ""
    return Wanted(key, text, language, name, _clip_file(*parts), by=by)


def _recorded(key: str, text: str, language: str, folder: Path, file: str) -> Wanted:
    name = _clip_file(text, language, BY_PERSON, LEVELLING, sha256_file(inside(folder, file)))
    return Wanted(key, text, language, BY_PERSON, name, recording=file, by=BY_PERSON)


def _clip_file(*parts: str) -> str:
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
    return f"{SPEECH_FOLDER}/{digest}.opus"


def _known_clips(folder: Path) -> dict[str, Said]:
    """The clips that the last build made, by their files; a rotten one is taken away."""
    try:
        index = load_index(folder)
    except Refused:
        return {}
    known: dict[str, Said] = {}
    for clip in index.speech.values():
        path = folder / clip.file
        if clip.file in index.files and _is_whole(path, index.files[clip.file]):
            known[clip.file] = Said(
                clip.duration_ms, clip.starts_ms, clip.phonemes, clip.phonemes_ms)
        else:
            path.unlink(missing_ok=True)
    return known


def _left_clips(folder: Path, names: set[str]) -> dict[str, Said]:
    """Clips that a build wrote before it was cut off: writing is atomic, so they are whole.

    Nobody knows any more when their words begin: the player hears it from the clip itself.
    """
    found: dict[str, Said] = {}
    for name in names:
        if (folder / name).is_file():
            try:
                found[name] = Said(_length_ms(folder / name))
            except Refused:
                continue
    return found


def _length_ms(path: Path) -> int:
    """The length of a clip as the player will hear it."""
    return round(len(read(path, _CLIP_RATE_HZ)) * 1000 / _CLIP_RATE_HZ)


def _is_whole(path: Path, entry: IndexedFile) -> bool:
    try:
        return path.stat().st_size == entry.bytes and sha256_file(path) == entry.sha256
    except OSError:
        return False


def _made(folder: Path, sentence: Wanted, voice: Engine | Speakers) -> Said:
    """Write the sentence's clip; returns its length, and when its words and phonemes begin."""
    speech: SpeechLike
    if sentence.recording is not None:
        speech = finished(inside(folder, sentence.recording))
    else:
        engine = speaker(voice, sentence.language)
        speech = engine.synthesise(sentence.text, sentence.language, voice=sentence.voice)
    samples: Samples = speech.samples
    data = opus_bytes(samples, speech.sample_rate_hz, Path(sentence.file).stem)
    write_durable(folder / sentence.file, data)
    return Said(
        _length_ms(folder / sentence.file), aligned_ms(sentence.text, speech.words),
        *phoneme_times(speech.phonemes))


def _walk(folder: Path) -> Iterator[tuple[str, Path]]:
    """(relative name, path) of every file, without hidden ones and without the index."""
    total_bytes = 0
    paths = sorted(folder.rglob("*"))
    if len(paths) > FILES_MAX:
        raise Refused(f"{folder} holds more than {FILES_MAX} files; is it a programme's folder?")
    for path in paths:
        name = path.relative_to(folder).as_posix()
        if any(part.startswith(".") or part == "__pycache__" for part in name.split("/")):
            continue
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            raise Refused(f"{path} is a symbolic link; put the file itself into the folder.")
        if not stat.S_ISREG(mode) or name == INDEX_FILE:
            continue
        total_bytes += path.stat().st_size
        if path.stat().st_size > ASSET_BYTES_MAX or total_bytes > FOLDER_BYTES_MAX:
            raise Refused(f"{path} is too large for a programme; make it smaller than 32 MB.")
        yield name, path


def _files(folder: Path, used: set[str]) -> dict[str, IndexedFile]:
    return {
        name: IndexedFile(sha256=sha256_file(path), bytes=path.stat().st_size)
        for name, path in _walk(folder)
        if not name.startswith(f"{SPEECH_FOLDER}/") or name in used
    }


def _prune(folder: Path, used: set[str]) -> None:
    """Take away clips that no line says any more."""
    for path in (folder / SPEECH_FOLDER).glob("*.opus"):
        if f"{SPEECH_FOLDER}/{path.name}" not in used:
            path.unlink(missing_ok=True)
