"""Every reader understands the layout of its corpus and says what it misses in another."""

from __future__ import annotations

import codecs
import os
import pathlib
import re
from collections import Counter

import pytest

from tests.support import shared
from tfwavenet.audio import audio_files
from tfwavenet.data import corpora
from tfwavenet.data.bundled import make


def _touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def _read(name, root):
    found = corpora.read_corpus(name, root=root, validation=0, test=0).utterances
    for item in found:
        assert pathlib.Path(item.path).is_absolute()
        assert item.split is not None
    assert len({item.name for item in found}) == len(found)
    return found


def _summary(utterances):
    return [(item.name, item.speaker) for item in utterances]


class TestFolder:
    def test_first_folder_is_the_speaker_at_any_depth(self, tmp_path):
        _touch(tmp_path, "ann/x/1.wav", "ann/2.FLAC", "bob/deep/er/1.mp3", "bob/1.ogg")
        assert _summary(_read("folder", tmp_path)) == [
            ("ann/2", "ann"),
            ("ann/x/1", "ann"),
            ("bob/1", "bob"),
            ("bob/deep/er/1", "bob"),
        ]

    def test_files_without_folders_have_the_folder_as_speaker(self, tmp_path):
        root = _touch(tmp_path / "mine", "1.wav", "2.wav")
        assert _summary(_read("folder", root)) == [("1", "mine"), ("2", "mine")]

    def test_equal_stems_keep_their_extension(self, tmp_path):
        _touch(tmp_path, "a/1.wav", "a/1.flac", "a/2.wav")
        assert [item.name for item in _read("folder", tmp_path)] == ["a/1.flac", "a/1.wav", "a/2"]

    def test_other_files_are_reported_and_hidden_ones_are_not(self, tmp_path):
        _touch(tmp_path, "1.wav", "notes.txt", "song.m4a", ".DS_Store", ".git/a.wav", "._1.wav")
        found = corpora.read_corpus("folder", root=tmp_path)
        assert [item.name for item in found.utterances] == ["1"]
        assert [os.path.basename(path) for path in found.ignored] == ["notes.txt", "song.m4a"]

    @pytest.mark.parametrize("name", ["folder", "text"])
    def test_links_to_nothing_are_reported(self, tmp_path, name):
        _touch(tmp_path, "a.wav", "b.txt")
        for link in ("c.wav", ".hidden.wav"):
            (tmp_path / link).symlink_to("nowhere.wav")
        ignored = corpora.read_corpus(name, root=tmp_path).ignored
        assert ignored[str(tmp_path / "c.wav")] == "no such file: a link to 'nowhere.wav'"
        assert len(ignored) == 2

    def test_relative_root_and_home_are_resolved(self, tmp_path, monkeypatch):
        _touch(tmp_path / "c", "1.wav")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("HOME", str(tmp_path))
        assert _read("folder", "c") == _read("folder", "~/c") == _read("folder", tmp_path / "c")


def _link(path, target):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


class TestLinkedFolders:
    def test_a_linked_speaker_is_read_like_a_folder(self, tmp_path):
        _touch(tmp_path, "else/anna/1.wav", "else/anna/deep/2.wav", "root/carl/1.wav", "else/x.wav")
        _link(tmp_path / "root/anna", tmp_path / "else/anna")
        _link(tmp_path / "root/ben/1.wav", "../../else/x.wav")
        found = corpora.read_corpus("folder", root=tmp_path / "root")
        names = ["anna/1", "anna/deep/2", "ben/1", "carl/1"]
        assert _summary(found.utterances) == [(name, name.split("/")[0]) for name in names]
        assert found.utterances[1].path == str(tmp_path / "root/anna/deep/2.wav")
        assert not found.ignored

    def test_links_below_links_and_a_linked_root(self, tmp_path):
        _touch(tmp_path, "a/1.wav", "b/2.wav")
        _link(tmp_path / "a/more", tmp_path / "b")
        _link(tmp_path / "real/ann", tmp_path / "a")
        _link(tmp_path / "root", "real")
        assert [item.name for item in _read("folder", tmp_path / "root")] == ["ann/1", "ann/more/2"]

    @pytest.mark.parametrize("target", [".", "..", "../..", "/"])
    def test_a_link_to_a_folder_around_it_is_not_followed(self, tmp_path, target):
        _touch(tmp_path, "outside.wav", "root/ann/1.wav")
        _link(tmp_path / "root/ann/again", target)
        found = corpora.read_corpus("folder", root=tmp_path / "root")
        assert [item.name for item in found.utterances] == ["ann/1"]
        link = str(tmp_path / "root/ann/again")
        assert found.ignored == {link: f"a link to a folder that holds it: {target!r}"}

    def test_a_linked_folder_does_not_lead_to_a_folder_around_the_root(self, tmp_path):
        _touch(tmp_path, "around/corpus/0.wav", "around/private.wav", "else/1.wav")
        _link(tmp_path / "around/corpus/ann", tmp_path / "else")
        _link(tmp_path / "else/back", "../around")
        found = corpora.read_corpus("folder", root=tmp_path / "around/corpus")
        assert [item.name for item in found.utterances] == ["0", "ann/1"]
        assert list(found.ignored) == [str(tmp_path / "around/corpus/ann/back")]

    def test_a_loop_through_two_linked_folders_ends(self, tmp_path):
        _touch(tmp_path, "x/1.wav", "y/2.wav", "root/0.wav")
        _link(tmp_path / "x/y", tmp_path / "y")
        _link(tmp_path / "y/x", tmp_path / "x")
        _link(tmp_path / "root/x", tmp_path / "x")
        found = corpora.read_corpus("folder", root=tmp_path / "root")
        assert [item.name for item in found.utterances] == ["0", "x/1", "x/y/2"]
        same = f"the same folder as {str(tmp_path / 'root/x')!r}"
        assert found.ignored == {str(tmp_path / "root/x/y/x"): same}

    def test_a_folder_is_listed_once_and_its_own_place_goes_first(self, tmp_path):
        _touch(tmp_path, "else/1.wav", "root/z/2.wav")
        for link, target in {"b": "../else", "c": "../else", "a": "z"}.items():
            _link(tmp_path / "root" / link, target)
        found = corpora.read_corpus("folder", root=tmp_path / "root")
        assert [item.name for item in found.utterances] == ["b/1", "z/2"]
        assert found.ignored == {
            str(tmp_path / "root/a"): f"the same folder as {str(tmp_path / 'root/z')!r}",
            str(tmp_path / "root/c"): f"the same folder as {str(tmp_path / 'root/b')!r}",
        }

    def test_hidden_links_are_not_followed_and_links_to_hidden_folders_are(self, tmp_path):
        _touch(tmp_path, ".store/1.wav", "ann/2.wav")
        _link(tmp_path / ".ben", "ann")
        _link(tmp_path / "carl", ".store")
        found = corpora.read_corpus("folder", root=tmp_path)
        assert [item.name for item in found.utterances] == ["ann/2", "carl/1"]
        assert not found.ignored

    @pytest.mark.parametrize(
        ("corpus", "folder", "file"),
        [
            ("text", "book", "1.txt"),
            ("vctk", "wav48/p225", "p225_001.wav"),
            ("vctk", "wav48_silence_trimmed", "p225/p225_001_mic1.flac"),
            ("cmu_arctic", "cmu_us_slt_arctic", "wav/a1.wav"),
            ("gtzan", "blues", "blues.00000.wav"),
            ("fsdd", "recordings", "7_theo_0.wav"),
        ],
    )
    def test_other_corpora_follow_links_too(self, tmp_path, corpus, folder, file):
        _touch(tmp_path / "else", file)
        _link(tmp_path / "root" / folder, tmp_path / "else")
        found = _read(corpus, tmp_path / "root")
        assert [item.path for item in found][:1] == [str(tmp_path / "root" / folder / file)]


@pytest.fixture
def warnings(caplog):
    """The warnings that absl has logged."""
    caplog.set_level("WARNING", logger="absl")
    return lambda: [record.getMessage() for record in caplog.records]


ROWS = ["LJ0|He said|He said", "LJ1|2 men|two men", "LJ2|caf\u00e9|caf\u00e9"]
TEXTS = {"LJ0": "He said", "LJ1": "two men", "LJ2": "caf\u00e9"}


class TestLJSpeech:
    def read(self, root, content):
        _touch(root, "wavs/LJ0.wav")
        (root / "metadata.csv").write_bytes(content)
        return {item.name: item.text for item in _read("ljspeech", root)}

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_unicode_with_and_without_a_mark(self, tmp_path, encoding, end, warnings):
        assert self.read(tmp_path, end.join(ROWS).encode(encoding)) == TEXTS
        assert warnings() == []

    @pytest.mark.parametrize("mark", [codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE])
    def test_either_order_of_bytes(self, tmp_path, mark):
        encoding = "utf-16-le" if mark == codecs.BOM_UTF16_LE else "utf-16-be"
        assert self.read(tmp_path, mark + "\n".join(ROWS).encode(encoding)) == TEXTS

    @pytest.mark.parametrize("blank", ["", " ", "\t"])
    def test_blank_lines_are_skipped(self, tmp_path, blank):
        rows = [blank, ROWS[0], blank, *ROWS[1:], blank, blank, ""]
        assert self.read(tmp_path, "\n".join(rows).encode()) == TEXTS

    def test_a_repeated_row_is_taken_once(self, tmp_path):
        rows = [*ROWS, ROWS[0], "LJ1|two men"]
        assert self.read(tmp_path, "\n".join(rows).encode()) == TEXTS

    def test_two_texts_of_a_name_are_refused(self, tmp_path):
        rows = [*ROWS, "LJ0|She said"]
        with pytest.raises(ValueError, match="one text for every name. Received: ") as caught:
            self.read(tmp_path, "\n".join(rows).encode())
        for part in ("'LJ0'", "'He said'", "'She said'", repr(str(tmp_path / "metadata.csv"))):
            assert part in str(caught.value)

    def test_a_text_in_another_encoding_is_left_out(self, tmp_path, warnings):
        found = self.read(tmp_path, "\n".join(ROWS).encode("cp1252"))
        assert found == {**TEXTS, "LJ2": None}
        (warning,) = warnings()
        for part in ("1 recordings", "metadata.csv", repr(str(tmp_path)), "'LJ2'", "UTF-8"):
            assert part in warning

    @pytest.mark.parametrize("content", ["\n".join(ROWS).encode("utf-16-le"), b"|no name\n"])
    def test_rows_without_a_usable_name_are_refused(self, tmp_path, content):
        with pytest.raises(ValueError, match=r"name\|text.*metadata\.csv"):
            self.read(tmp_path, content)

    def test_names_and_normalised_texts(self, tmp_path):
        _touch(tmp_path, "wavs/LJ001-0001.wav")
        text = 'LJ001-0001|Dr. "Who"|Doctor "Who"\nLJ001-0002|two\n'
        (tmp_path / "metadata.csv").write_text(text, "utf-8")
        found = _read("ljspeech", tmp_path)
        assert _summary(found) == [("LJ001-0001", "LJ"), ("LJ001-0002", "LJ")]
        assert [item.text for item in found] == ['Doctor "Who"', "two"]
        assert found[0].path == str(tmp_path / "wavs" / "LJ001-0001.wav")

    @pytest.mark.parametrize("entry", ["LJ0", "LJ0.wav", "wavs/LJ0.wav", "wav/LJ0.flac"])
    @pytest.mark.parametrize("audio", ["wavs/LJ0.wav", "wav/LJ0.wav", "wavs/LJ0.flac"])
    def test_filelists_and_other_places(self, tmp_path, entry, audio):
        _touch(tmp_path, audio)
        (tmp_path / "metadata.csv").write_text(f"{entry}|one\n")
        (found,) = _read("ljspeech", tmp_path)
        assert (found.name, found.path) == ("LJ0", str(tmp_path / audio))

    @pytest.mark.parametrize("text", ["", "just a line\n"])
    def test_a_malformed_table_is_named(self, tmp_path, text):
        (tmp_path / "wavs").mkdir()
        (tmp_path / "metadata.csv").write_text(text)
        with pytest.raises(ValueError, match=r"name\|text.*metadata\.csv"):
            _read("ljspeech", tmp_path)


class TestVCTK:
    def test_a_transcript_in_another_encoding_is_left_out(self, tmp_path, warnings):
        transcripts = {
            1: b"\xef\xbb\xbfPlease call.",
            2: b"don\x92t",
            3: b"zero\0",
            4: b"\xff\xfe\x00",  # marked as UTF-16, but half a character
            5: "Stella\u2019s".encode("utf-16"),
            6: "Stella\u2019s".encode(),
        }
        for number, content in transcripts.items():
            _touch(tmp_path, f"wav48/p225/p225_{number}.wav", f"txt/p225/p225_{number}.txt")
            (tmp_path / f"txt/p225/p225_{number}.txt").write_bytes(content)
        texts = [item.text for item in _read("vctk", tmp_path)]
        assert texts == ["Please call.", None, None, None, "Stella\u2019s", "Stella\u2019s"]
        (warning,) = warnings()
        assert "3 recordings" in warning and "'p225_2'" in warning and "txt/" in warning

    def test_version_0_80(self, tmp_path):
        _touch(tmp_path, "wav48/p225/p225_001.wav", "wav48/p226/p226_001.wav")
        (tmp_path / "txt" / "p225").mkdir(parents=True)
        (tmp_path / "txt" / "p225" / "p225_001.txt").write_text("Please call Stella.\n")
        found = _read("vctk", tmp_path)
        assert _summary(found) == [("p225_001", "p225"), ("p226_001", "p226")]
        assert [item.text for item in found] == ["Please call Stella.", None]

    def test_version_0_92_takes_the_first_microphone(self, tmp_path):
        names = [f"p225_001_mic{microphone}.flac" for microphone in (1, 2)]
        _touch(tmp_path, *(f"wav48_silence_trimmed/p225/{name}" for name in names))
        _touch(tmp_path, "wav48_silence_trimmed/log.txt")
        found = _read("vctk", tmp_path)
        assert _summary(found) == [("p225_001", "p225")]
        assert found[0].path.endswith("_mic1.flac")

    @pytest.mark.parametrize("extension", ["wav", "flac"])
    @pytest.mark.parametrize("folder", ["wav48", "wav48_silence_trimmed"])
    def test_a_sentence_of_two_microphones_is_used_once(self, tmp_path, folder, extension):
        names = [
            f"{folder}/p225/p225_{number:03d}_mic{microphone}.{extension}"
            for number in range(20)
            for microphone in (1, 2)
        ]
        corpus = corpora.read_corpus("vctk", root=_touch(tmp_path, *names))
        assert [item.name for item in corpus.utterances] == [f"p225_{n:03d}" for n in range(20)]
        assert all("_mic1." in item.path for item in corpus.utterances)
        assert set(corpus.ignored.values()) == {"another microphone of the same sentence"}

    def test_the_second_microphone_where_there_is_no_first(self, tmp_path):
        _touch(tmp_path, "wav48/p315/p315_001_mic2.wav")
        assert _summary(_read("vctk", tmp_path)) == [("p315_001", "p315")]


class TestLibri:
    def test_librispeech(self, tmp_path):
        _touch(
            tmp_path,
            "train-clean-100/103/1240/103-1240-0000.flac",
            "dev-clean/84/121/84-121-0000.flac",
            "test-other/367/13/367-13-0000.flac",
            "BOOKS.TXT",
        )
        table = tmp_path / "dev-clean/84/121/84-121.trans.txt"
        table.write_text("84-121-0000 GO DO YOU HEAR\n")
        found = {item.name: item for item in _read("librispeech", tmp_path)}
        assert {name: (item.speaker, item.split) for name, item in found.items()} == {
            "dev-clean/84-121-0000": ("84", "validation"),
            "test-other/367-13-0000": ("367", "test"),
            "train-clean-100/103-1240-0000": ("103", "train"),
        }
        assert found["dev-clean/84-121-0000"].text == "GO DO YOU HEAR"
        assert found["test-other/367-13-0000"].text is None

    def test_libritts(self, tmp_path):
        folder = tmp_path / "train-clean-100/103/1241"
        _touch(folder, "103_1241_000000_000001.wav", "103_1241_000000_000001.original.txt")
        (folder / "103_1241_000000_000001.normalized.txt").write_text("matthew Cuthbert\n")
        (found,) = _read("libritts", tmp_path)
        assert (found.speaker, found.text) == ("103", "matthew Cuthbert")

    @pytest.mark.parametrize(
        ("corpus", "extension"), [("librispeech", "flac"), ("libritts", "wav")]
    )
    def test_the_root_may_be_one_subset(self, tmp_path, corpus, extension):
        root = tmp_path / "train-clean-100"
        _touch(root, f"103/1/103-1-0000.{extension}", f"1034/1/1034-1-0000.{extension}")
        assert _summary(_read(corpus, root)) == [("103-1-0000", "103"), ("1034-1-0000", "1034")]


class TestCommonVoice:
    COLUMNS = "client_id\tpath\tsentence\tup_votes"

    def write(self, root, **tables):
        _touch(root, "clips/common_voice_de_1.mp3")
        for name, rows in tables.items():
            lines = [self.COLUMNS, *("\t".join(row) for row in rows), ""]
            (root / f"{name}.tsv").write_text("\n".join(lines), "utf-8")

    def test_its_own_tables_are_the_splits(self, tmp_path):
        self.write(
            tmp_path,
            train=[("ab", "common_voice_de_1.mp3", 'Er sagte "ja', "2")],
            dev=[("cd", "common_voice_de_2.mp3", "Nein", "2")],
            test=[("ef", "common_voice_de_3.mp3", "Doch", "2")],
            validated=[("xy", "common_voice_de_4.mp3", "Gut", "2")],
        )
        found = corpora.read_corpus("common_voice", root=tmp_path).utterances
        assert [(item.speaker, item.split, item.text) for item in found] == [
            ("ab", "train", 'Er sagte "ja'),
            ("cd", "validation", "Nein"),
            ("ef", "test", "Doch"),
        ]
        assert found[0].path == str(tmp_path / "clips" / "common_voice_de_1.mp3")

    def test_validated_recordings_without_the_tables(self, tmp_path):
        rows = [("ab", f"common_voice_de_{number}.mp3", "Ja", "2") for number in range(4)]
        self.write(tmp_path, validated=rows)
        found = corpora.read_corpus("common_voice", root=tmp_path, validation=0.25, test=0)
        assert sorted(item.split for item in found.utterances) == ["train"] * 3 + ["validation"]

    def test_another_table_is_named(self, tmp_path):
        self.write(tmp_path)
        (tmp_path / "train.tsv").write_text("a\tb\n1\t2\n")
        with pytest.raises(ValueError, match=r"columns client_id.*\['a', 'b'\].*train\.tsv"):
            corpora.read_corpus("common_voice", root=tmp_path)


class TestCMUArctic:
    def test_several_voices_with_prompts(self, tmp_path):
        for voice in ("slt", "bdl"):
            _touch(tmp_path, f"cmu_us_{voice}_arctic/wav/arctic_a0001.wav")
        etc = tmp_path / "cmu_us_slt_arctic" / "etc"
        etc.mkdir()
        (etc / "txt.done.data").write_text('( arctic_a0001 "Author of the danger trail." )\n')
        found = _read("cmu_arctic", tmp_path)
        assert _summary(found) == [("bdl/arctic_a0001", "bdl"), ("slt/arctic_a0001", "slt")]
        assert [item.text for item in found] == [None, "Author of the danger trail."]

    def test_a_prompt_in_another_encoding_is_left_out(self, tmp_path, warnings):
        root = _touch(
            tmp_path / "cmu_us_slt_arctic", *(f"wav/a{number}.wav" for number in range(3))
        )
        (root / "etc").mkdir()
        lines = [b'\xef\xbb\xbf( a0 "one" )', b'( a1 "caf\xe9" )', b'( a2 "two\xc2\x85" )', b""]
        (root / "etc" / "txt.done.data").write_bytes(b"\r\n".join(lines))
        assert [item.text for item in _read("cmu_arctic", root)] == ["one", None, "two\x85"]
        (warning,) = warnings()
        assert "1 recordings" in warning and "'slt/a1'" in warning and "txt.done.data" in warning

    def test_the_root_may_be_one_voice(self, tmp_path):
        root = _touch(tmp_path / "cmu_us_awb_arctic", "wav/arctic_a0001.wav")
        assert _summary(_read("cmu_arctic", root)) == [("awb/arctic_a0001", "awb")]


@pytest.mark.parametrize("below", ["", "genres/", "genres_original/"])
@pytest.mark.parametrize("extension", ["wav", "au"])
def test_gtzan_has_genres_as_speakers(tmp_path, below, extension):
    names = [f"{genre}/{genre}.00000.{extension}" for genre in ("blues", "rock")]
    _touch(tmp_path, *(below + name for name in names), below + "blues/blues.00000.png")
    assert _summary(_read("gtzan", tmp_path)) == [("blues.00000", "blues"), ("rock.00000", "rock")]


@pytest.mark.parametrize("below", ["", "recordings/"])
def test_fsdd_keeps_its_own_test_split(tmp_path, below):
    names = [f"{below}7_theo_{index}.wav" for index in range(45)]
    _touch(tmp_path, *names, below + "other.wav")
    found = corpora.read_corpus("fsdd", root=tmp_path).utterances
    assert Counter(item.split for item in found) == {"train": 38, "test": 5, "validation": 2}
    test = {item.name for item in found if item.split == "test"}
    assert test == {f"7_theo_{index}" for index in range(5)}
    assert {(item.speaker, item.text) for item in found} == {("theo", "seven")}


def test_fsdd_by_digit_has_the_same_splits(tmp_path):
    _touch(tmp_path, *[f"{digit}_theo_{index}.wav" for digit in (0, 7) for index in range(9)])
    by_speaker = corpora.read_corpus("fsdd", root=tmp_path).utterances
    by_digit = corpora.read_corpus("fsdd_digits", root=tmp_path).utterances
    assert [(i.name, i.split) for i in by_digit] == [(i.name, i.split) for i in by_speaker]
    assert [i.speaker for i in by_digit] == ["zero"] * 9 + ["seven"] * 9


class TestSpeechCommands:
    @pytest.fixture
    def root(self, tmp_path):
        """Two recordings of each digit and one of another word; the lists name it too."""
        names = [f"{digit}/{take}_nohash_0.wav" for digit in corpora._DIGITS for take in "ab"]
        _touch(tmp_path, *names, "bed/a_nohash_0.wav", "_background_noise_/pink_noise.wav")
        (tmp_path / "validation_list.txt").write_text("bed/a_nohash_0.wav\none/a_nohash_0.wav\n")
        (tmp_path / "testing_list.txt").write_text("two/a_nohash_0.wav\ntwo/b_nohash_0.wav\n")
        return tmp_path

    def test_digits_are_classes_and_the_lists_decide_the_splits(self, root):
        found = corpora.read_corpus("speech_commands", root=root).utterances
        assert {(item.speaker, item.text) for item in found} == {(d, d) for d in corpora._DIGITS}
        assert len(found) == 20
        held_out = {item.name: item.split for item in found if item.split != "train"}
        assert held_out == {
            "one/a_nohash_0": "validation",
            "two/a_nohash_0": "test",
            "two/b_nohash_0": "test",
        }

    @pytest.mark.parametrize("name", ["validation_list.txt", "testing_list.txt", "six/*.wav"])
    def test_what_is_missing_is_named(self, root, name):
        for path in root.glob(name):
            path.unlink()
        with pytest.raises(ValueError, match=rf"zero/.*\(no {re.escape(name)}\), found 1"):
            corpora.read_corpus("speech_commands", root=root)

    @pytest.mark.parametrize("head", [b"\xef\xbb\xbf", b"bed/caf\xe9.wav\n"])
    def test_bytes_before_a_listed_name_do_not_lose_it(self, root, head):
        lines = (root / "testing_list.txt").read_bytes()
        (root / "testing_list.txt").write_bytes(head + lines)
        found = corpora.read_corpus("speech_commands", root=root).utterances
        test = {item.name for item in found if item.split == "test"}
        assert test == {"two/a_nohash_0", "two/b_nohash_0"}

    def test_a_list_of_other_names_is_refused(self, root):
        (root / "testing_list.txt").write_text("test/two_a.wav\n")
        with pytest.raises(ValueError, match=r"The testing_list\.txt .* names none that is there"):
            corpora.read_corpus("speech_commands", root=root)


@pytest.mark.parametrize(
    ("corpus", "used", "repeated"),
    [
        ("gtzan", "blues/blues.00000.au", "genres/blues/blues.00000.wav"),
        ("gtzan", "rock/rock.00000.au", "rock/rock.00000.wav"),
        ("fsdd", "7_theo_0.wav", "recordings/7_theo_0.wav"),
        ("vctk", "wav48/p225/p225_001.wav", "wav48/p999/p225_001.wav"),
    ],
)
def test_one_recording_of_a_name_is_used(tmp_path, corpus, used, repeated):
    _touch(tmp_path, used, repeated)
    found = corpora.read_corpus(corpus, root=tmp_path)
    assert [item.path for item in found.utterances] == [str(tmp_path / used)]
    reason = f"the same name as {str(tmp_path / used)!r}"
    assert found.ignored == {str(tmp_path / repeated): reason}


def test_fsdd_on_disk():
    found = corpora.read_corpus("fsdd", root=shared.corpus("fsdd")).utterances
    assert len({item.speaker for item in found}) == 6
    for speaker in {item.speaker for item in found}:
        sizes = Counter(item.split for item in found if item.speaker == speaker)
        assert min(sizes["train"], sizes["validation"], sizes["test"]) > 0


class TestBundled:
    def test_layout_matches_the_script_that_makes_it(self):
        found = corpora.read_corpus("bundled").utterances
        expected = Counter(
            (speaker, split, text)
            for speaker in make.VOICES
            for split, text in make.sentences(speaker)
        )
        assert Counter((item.speaker, item.split, item.text) for item in found) == expected

    def test_is_a_minute_of_16_khz_mono_in_2_megabytes(self):
        found = corpora.read_corpus("bundled").utterances
        infos = [audio_files.info(item.path) for item in found]
        assert 50 < sum(info.seconds for info in infos) < 80
        assert {(info.sample_rate, info.channels) for info in infos} == {(16000, 1)}
        assert sum(os.path.getsize(item.path) for item in found) < 2 * 10**6

    def test_takes_no_root(self, tmp_path):
        with pytest.raises(ValueError, match="takes no root"):
            corpora.read_corpus("bundled", root=tmp_path)


ON_DISK = [name for name in corpora._READERS if name != "bundled"]


# A text may have any name.
@pytest.mark.parametrize("name", [name for name in ON_DISK if name != corpora.TEXT])
def test_another_layout_says_what_was_expected_and_found(tmp_path, name):
    _touch(tmp_path, "strange.xyz", "folder/file.bin")
    pattern = rf"'{name}' is expected to have .*found 2 entries \(folder/, strange.xyz\).*Received"
    with pytest.raises(ValueError, match=pattern):
        corpora.read_corpus(name, root=tmp_path)


@pytest.mark.parametrize("name", ON_DISK)
def test_an_empty_root_is_said_to_be_empty(tmp_path, name):
    with pytest.raises(ValueError, match="found an empty folder"):
        corpora.read_corpus(name, root=tmp_path)


@pytest.mark.parametrize(
    ("root", "message"),
    [
        (None, "needs the folder"),
        ("", "needs the folder"),
        ("nowhere", "found nothing"),
        ("file", "found a file"),
    ],
)
def test_a_bad_root_is_named(tmp_path, root, message):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=message):
        corpora.read_corpus("folder", root=root and tmp_path / root)


def test_unknown_corpus_suggests_the_nearest():
    with pytest.raises(ValueError, match=re.escape("(did you mean 'ljspeech'?). Received")):
        corpora.read_corpus("ljspech", root="x")
