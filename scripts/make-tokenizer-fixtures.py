"""Makes Tests/Fixtures/tokenizers: a corpus, small tokenizers of every kind of component trained on it, and the ids
that the Python package `tokenizers` gives for both them and the real tokenizers of scripts/fetch-tokenizers.

Everything is seeded, but training breaks ties at random: the small tokenizers with letters come out a little different
each time. Keep those that are there unless they were meant to change.
"""

import json
import lzma
import pathlib
import random
import sys
import unicodedata

import tokenizers
from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

fixtures = pathlib.Path(__file__).parent.parent / "Tests/Fixtures/tokenizers"

# ---------------------------------------------------------------------------------------------------------------
# The corpus

PHRASES = {
    "english": """The quick brown fox jumps over the lazy dog.|It's what they've said, isn't it? I'd say we'll see; you're
 right, and I'm not.|"Don't," she said, 'do it' — not now… maybe later!|A naïve café owner in Zürich paid €12.50 (≈ $13.37) for
 crème brûlée.|CAN'T STOP, WON'T STOP: 3.14159, 1,000,000 and 0x7FFF_FFFF.|Visit https://example.org/a/b?c=d&e=%20f#g or mail
 someone@example.com.|The model's weights were merged with a ratio of 0.35:0.65 over 32 layers.|Once upon a midnight dreary,
 while I pondered, weak and weary|do not . do n't ? it 's , we 've ! they 're ' fine '""",
    "code": """def f(x: int) -> str:\\n    return f"{x!r:>10}"\\n|for (int i = 0; i < n; ++i) { a[i] += b[i] * c; }|let
 x = y.map { $0 ?? 0 }.filter { $0 != nil }|\\tif err != nil {\\n\\t\\treturn nil, fmt.Errorf("x: %w", err)\\n\\t}|SELECT * FROM t WHERE
 a >= 3 AND b LIKE '%x_y%';|<div class="a b" id='c'>&nbsp;&lt;text&gt;</div>|local t = { 1, 2, [3] = "x" } -- Kommentar|#include
 <stdio.h>\\r\\nint main(void){printf("%d\\\\n",1);}|const re = /^(?:[a-z]+|\\\\d{2,3})$/gi;|{"key": [1, 2.5e-3, null, true], "s":
 "\\\\u00e9"}|git commit -m "fix: #123" && make -j8 2>&1 | tee log.txt|x = a ** 2 // 3 % 4 @ b; y = ~z ^ (p | q) & r << 2""",
    "chinese": """今天天气很好,我们去公园散步吧。|合并模型的权重需要很多内存(大约16GB)。|「你好,世界!」他说:“这是测试”。|龍龜龘
 繁體字與简体字混排 ABC 123。|㐀㐁𠀀𠀁𪛖𫝀""",
    "japanese": """吾輩は猫である。名前はまだ無い。|トークナイザーのテストです!ﾊﾝｶｸ カナ。|東京タワーの高さは333メートルです。
 |がぎぐげご パピプペポ ー〜・「」""",
    "korean": """안녕하세요, 세계! 오늘은 날씨가 좋네요.|모델을 병합합니다 (2024년).|한글 자모""",
    "arabic": """مرحبا بالعالم، كيف حالك اليوم؟|السَّلَامُ عَلَيْكُمْ وَرَحْمَةُ اللهِ|١٢٣٤٥ ٪ ﷺ ﻻ ـــ|می‌خواهم به خانه بروم""",
    "hebrew": """שָׁלוֹם עוֹלָם, מה שלומך?|בְּרֵאשִׁית בָּרָא אֱלֹהִים""",
    "hindi": """नमस्ते दुनिया, आप कैसे हैं?|क्षत्रिय ज्ञान श्रृंखला ऑनलाइन ₹१२३|हिन्दी में परीक्षण वाक्य।""",
    "others": """Привет, мир! Съешь ещё этих мягких булок.|Καλημέρα κόσμε, τι κάνεις; ΟΔΥΣΣΕΥΣ|สวัสดีชาวโลก วันนี้อากาศดี|Xin chào thế
 giới, tôi là tiếng Việt ậ ế ữ|İstanbul'da IĞDIR ığdır ß ẞ ﬁ ﬂ ŉ ǅ|გამარჯობა მსოფლიო ԲԱՐԵՎ բարեւ|வணக்கம் உலகம் തമിഴ് ಕನ್ನಡ తెలుగు বাংলা
 |ⅷ Ⅻ ½ ² ³ ① ㊿ ㎏ ™ ℃ Ω Å ｆｕｌｌ ｗｉｄｔｈ""",
}
PHRASES = {
    name: [
        line.replace("\n ", " ")
        .replace("\n", " ")
        .replace("\\n", "\n")
        .replace("\\r", "\r")
        .replace("\\t", "\t")
        for line in text.split("|")
    ]
    for name, text in PHRASES.items()
}

EMOJI = [
    "😀",
    "👍🏽",
    "👩‍👩‍👧‍👦",
    "🏳️‍🌈",
    "🇩🇪🇫🇷",
    "❤️",
    "☃",
    "👨🏿‍🚀",
    "🤷‍♀️",
    "1️⃣",
    "🫠",
    "🥺",
    "🧑‍🤝‍🧑",
    "©️",
    "🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    "✂︎",
]
SPECIALS = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "[UNK]",
    "[PAD]",
    "<s>",
    "</s>",
    "<unk>",
    "<pad>",
    "<mask>",
    "<｜begin▁of▁sentence｜>",
    "<｜end▁of▁sentence｜>",
    "<｜User｜>",
    "<｜Assistant｜>",
    "<think>",
    "</think>",
    "<ADD>",
    "lower",
    "Upper Word",
    "<0x41>",
    "<0xE2>",
    "▁",
    "##ing",
    "</w>",
]
SPACES = [
    " ",
    "  ",
    "   ",
    "\t",
    "\t\t",
    "\n",
    "\n\n",
    "\r\n",
    "\u00a0",
    "\u2003",
    "\u3000",
    "\u200b",
    "\u2028",
    "\u0085",
    "\x0b",
    " \n ",
    "        ",
]
CONTROLS = [
    "\x00",
    "\x01",
    "\x07",
    "\x08",
    "\x0c",
    "\x1b[31m",
    "\x7f",
    "\u0080",
    "\u009f",
    "\u200d",
    "\u200e",
    "\u202e",
    "\ufeff",
    "\ue000",
    "\u00ad",
]
INVALID = [b"\xff", b"\xc3(", b"\xe2\x82", b"\xf0\x9f\x98", b"a\x80b", b"\xed\xa0\x80", b"\xf8\x88"]
MARKS = [chr(code) for code in range(0x300, 0x370)] + [
    "\u0651",
    "\u064e",
    "\u05b0",
    "\u093c",
    "\u20dd",
    "\ufe0f",
    "\u3099",
    "\u1cf2",
    "\u111c9",
]


def make_corpus():
    rng = random.Random(20240601)
    assigned = [
        chr(code)
        for code in range(0x20, 0x30000)
        if unicodedata.category(chr(code)) not in ("Cn", "Cs", "Co")
    ]
    names = list(PHRASES)

    def phrase(name=None):
        return rng.choice(PHRASES[name or rng.choice(names)])

    def words(text, count):
        parts = text.split(" ")
        start = rng.randrange(len(parts))
        return " ".join(parts[start : start + count])

    def number():
        return rng.choice(
            [
                str(rng.randrange(10 ** rng.randrange(1, 20))),
                f"{rng.random() * 1000:.4f}",
                f"{rng.randrange(1 << 32):#x}",
                f"{rng.randrange(9999):,}",
                "".join(chr(rng.choice([0x660, 0x966, 0xFF10]) + rng.randrange(10)) for _ in range(4)),
                f"{rng.randrange(2000, 2030)}-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}",
                "½²③Ⅷ",
            ]
        )

    def marked():
        return "".join(
            rng.choice("aeiounAEcsz한가क") + "".join(rng.choices(MARKS, k=rng.randrange(1, 4)))
            for _ in range(rng.randrange(1, 6))
        )

    def long_word():
        return (
            "".join(rng.choices("abcdefghij", k=rng.randrange(90, 400)))
            if rng.random() < 0.7
            else rng.choice("aé漢🙂 ") * rng.randrange(50, 300)
        )

    def scalars():
        return "".join(rng.choices(assigned, k=rng.randrange(1, 12)))

    def camel():
        return rng.choice(
            [
                "getHTTPResponseCode2",
                "snake_case_name",
                "__init__",
                "kebab-case-id",
                "XMLHttpRequest",
                "iPhone15Pro",
                "a.b.c",
            ]
        )

    makers = [
        (30, phrase),
        (12, lambda: words(phrase("english"), 4)),
        (10, lambda: phrase("code")),
        (8, lambda: phrase("chinese")),
        (6, lambda: phrase("japanese")),
        (6, lambda: phrase("arabic")),
        (6, lambda: phrase("hindi")),
        (10, lambda: "".join(rng.choices(EMOJI, k=rng.randrange(1, 4)))),
        (8, marked),
        (8, number),
        (6, camel),
        (10, lambda: rng.choice(SPECIALS)),
        (6, lambda: rng.choice(CONTROLS)),
        (3, long_word),
        (8, scalars),
        (4, lambda: rng.choice(INVALID).decode("utf-8", "replace")),
    ]
    lines = []
    for texts in PHRASES.values():
        lines += texts
    lines += [
        "",
        " ",
        "  ",
        "\n",
        "\t",
        "a",
        "\u0301",
        "\ufffd",
        "<s>",
        " <s> ",
        "x<mask>y",
        "x  <mask>  y",
        "'s",
        "▁",
        "▁▁a",
    ]
    while len(lines) < 2200:
        count = rng.choice([1, 1, 2, 2, 3, 4])
        parts = rng.choices([maker for _, maker in makers], [weight for weight, _ in makers], k=count)
        line = ""
        for maker in parts:
            line += maker() + (rng.choice(SPACES) if rng.random() < 0.35 else rng.choice(["", " ", " "]))
        if rng.random() < 0.1:
            line = rng.choice(SPACES) * rng.randrange(1, 4) + line
        if rng.random() < 0.05:
            line = unicodedata.normalize(rng.choice(["NFD", "NFKD"]), line)
        if rng.random() < 0.05:
            line = line.upper()
        lines.append(line if len(line) < 700 else line[:700])
    return lines


# ---------------------------------------------------------------------------------------------------------------
# Small tokenizers

GPT4 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
DEEPSEEK = [
    r"\p{N}{1,3}",
    r"[一-龥぀-ゟ゠-ヿ]+",
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
]
O200K = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
KIMI = r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}&&[^\p{Han}]]+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+"
SIZE = 380


def byte_trainer(**options):
    return trainers.BpeTrainer(
        vocab_size=SIZE, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), **options
    )


def letters_trainer(kind, **options):
    return kind(vocab_size=SIZE, show_progress=False, limit_alphabet=150, **options)


def template(single, *tokens):
    return processors.TemplateProcessing(single=single, pair=f"{single} $B", special_tokens=list(tokens))


def small_tokenizers(corpus):
    """Yields names and tokenizers: together, every kind of component."""
    text = [line for line in corpus if len(line) < 300]
    latin = [line for line in corpus if all(ord(character) < 0x100 for character in line)]

    def train(model, trainer, normalizer=None, pre=None, post=None, decoder=None, added=()):
        tokenizer = Tokenizer(model)
        if normalizer:
            tokenizer.normalizer = normalizer
        if pre:
            tokenizer.pre_tokenizer = pre
        # Unigrams take every character that they see.
        seen = latin if isinstance(trainer, trainers.UnigramTrainer) else text
        if trainer:
            tokenizer.train_from_iterator(seen, trainer)
        if post:
            tokenizer.post_processor = post(tokenizer) if callable(post) else post
        if decoder:
            tokenizer.decoder = decoder
        for token in added:
            (tokenizer.add_special_tokens if token.special else tokenizer.add_tokens)([token])
        return tokenizer

    byte_level = decoders.ByteLevel()
    yield "gpt2", train(
        models.BPE(),
        byte_trainer(special_tokens=["<|endoftext|>"]),
        pre=pre_tokenizers.ByteLevel(add_prefix_space=False),
        post=processors.ByteLevel(trim_offsets=False),
        decoder=byte_level,
    )
    yield "roberta", train(
        models.BPE(),
        byte_trainer(special_tokens=["<s>", "<pad>", "</s>", "<unk>"]),
        pre=pre_tokenizers.ByteLevel(add_prefix_space=True),
        post=lambda t: processors.RobertaProcessing(("</s>", 2), ("<s>", 0)),
        decoder=byte_level,
        added=[AddedToken("<mask>", lstrip=True, special=True)],
    )
    yield "llama3", train(
        models.BPE(ignore_merges=True),
        byte_trainer(special_tokens=["<s>", "</s>"]),
        pre=pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(GPT4), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        ),
        post=processors.Sequence([processors.ByteLevel(trim_offsets=False), template("<s> $A", ("<s>", 0))]),
        decoder=byte_level,
    )
    yield "deepseek", train(
        models.BPE(),
        byte_trainer(special_tokens=["<｜begin▁of▁sentence｜>"]),
        normalizer=normalizers.Sequence([]),
        pre=pre_tokenizers.Sequence(
            [pre_tokenizers.Split(Regex(p), "isolated") for p in DEEPSEEK]
            + [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
        ),
        post=template("<｜begin▁of▁sentence｜> $A", ("<｜begin▁of▁sentence｜>", 0)),
        decoder=byte_level,
    )
    yield "o200k", train(
        models.BPE(),
        byte_trainer(special_tokens=["<|endoftext|>"]),
        normalizer=normalizers.NFC(),
        pre=pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(O200K), "removed", invert=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        ),
        decoder=byte_level,
        added=[
            AddedToken("lower", single_word=True),
            AddedToken("Upper Word", rstrip=True, lstrip=True),
            AddedToken("<ADD>", normalized=False),
        ],
    )
    yield "kimi", train(
        models.BPE(),
        byte_trainer(),
        pre=pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(KIMI), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        ),
        decoder=byte_level,
    )
    yield "smollm", train(
        models.BPE(),
        byte_trainer(special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"]),
        pre=pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        ),
        decoder=byte_level,
    )
    metaspace = "▁"
    yield "llama2", train(
        models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True),
        letters_trainer(
            trainers.BpeTrainer,
            special_tokens=["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)],
        ),
        normalizer=normalizers.Sequence(
            [normalizers.Prepend(metaspace), normalizers.Replace(" ", metaspace)]
        ),
        post=template("<s> $A", ("<s>", 1)),
        decoder=decoders.Sequence(
            [
                decoders.Replace(metaspace, " "),
                decoders.ByteFallback(),
                decoders.Fuse(),
                decoders.Strip(" ", 1, 0),
            ]
        ),
    )
    yield "mistral", train(
        models.BPE(unk_token="<unk>", fuse_unk=False, byte_fallback=False),
        letters_trainer(trainers.BpeTrainer, special_tokens=["<unk>", "<s>", "</s>"]),
        pre=pre_tokenizers.Metaspace(metaspace, prepend_scheme="first", split=False),
        post=template("<s> $A </s>", ("<s>", 1), ("</s>", 2)),
        decoder=decoders.Metaspace(metaspace, prepend_scheme="first"),
    )
    yield "clip", train(
        models.BPE(unk_token="<unk>", continuing_subword_prefix="", end_of_word_suffix="</w>"),
        letters_trainer(trainers.BpeTrainer, special_tokens=["<unk>"], end_of_word_suffix="</w>"),
        normalizer=normalizers.Sequence(
            [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
        ),
        pre=pre_tokenizers.Split(
            Regex(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"), "removed", invert=True
        ),
        decoder=decoders.BPEDecoder("</w>"),
    )
    yield "prefixed", train(
        models.BPE(unk_token="<unk>", continuing_subword_prefix="##", fuse_unk=True),
        letters_trainer(trainers.BpeTrainer, special_tokens=["<unk>"], continuing_subword_prefix="##"),
        pre=pre_tokenizers.WhitespaceSplit(),
        decoder=decoders.WordPiece("##", cleanup=False),
    )
    bert = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    yield "bert", train(
        models.WordPiece(unk_token="[UNK]"),
        letters_trainer(trainers.WordPieceTrainer, special_tokens=bert),
        normalizer=normalizers.BertNormalizer(),
        pre=pre_tokenizers.BertPreTokenizer(),
        post=template("[CLS] $A [SEP]", ("[CLS]", 2), ("[SEP]", 3)),
        decoder=decoders.WordPiece(),
    )
    yield "bert-cased", train(
        models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=30),
        letters_trainer(trainers.WordPieceTrainer, special_tokens=bert),
        normalizer=normalizers.BertNormalizer(
            lowercase=False, handle_chinese_chars=False, strip_accents=True
        ),
        pre=pre_tokenizers.BertPreTokenizer(),
        post=processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2)),
        decoder=decoders.WordPiece(),
        added=[AddedToken("Upper Word"), AddedToken("lower", normalized=True, single_word=True)],
    )
    unigram = dict(special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>")
    yield "t5", train(
        models.Unigram(),
        letters_trainer_unigram(**unigram),
        normalizer=normalizers.Sequence(
            [
                normalizers.Nmt(),
                normalizers.NFKC(),
                normalizers.Strip(left=False, right=True),
                normalizers.Replace(Regex(" {2,}"), metaspace),
            ]
        ),
        pre=pre_tokenizers.Metaspace(metaspace, prepend_scheme="always"),
        post=template("$A </s>", ("</s>", 1)),
        decoder=decoders.Metaspace(metaspace),
    )
    yield "precompiled", train(
        models.Unigram(),
        letters_trainer_unigram(**unigram),
        normalizer=normalizers.Precompiled(character_map()),
        pre=pre_tokenizers.Metaspace(metaspace, prepend_scheme="never"),
        decoder=decoders.Metaspace(metaspace, prepend_scheme="never"),
    )
    yield "unigram-bytes", train(
        byte_unigram(),
        None,
        pre=pre_tokenizers.Metaspace(metaspace, prepend_scheme="first"),
        decoder=decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(metaspace)]),
        added=[AddedToken("<s>", special=True, rstrip=True)],
    )
    yield "words", train(
        models.WordLevel(unk_token="<unk>"),
        trainers.WordLevelTrainer(vocab_size=SIZE, show_progress=False, special_tokens=["<unk>"]),
        normalizer=normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents(), normalizers.Strip()]),
        pre=pre_tokenizers.Whitespace(),
    )
    yield "splits", train(
        models.WordLevel(unk_token="<unk>"),
        trainers.WordLevelTrainer(vocab_size=SIZE, show_progress=False, special_tokens=["<unk>"]),
        normalizer=normalizers.NFKD(),
        pre=pre_tokenizers.Sequence(
            [
                pre_tokenizers.CharDelimiterSplit(" "),
                pre_tokenizers.Punctuation("merged_with_next"),
                pre_tokenizers.Digits(),
                pre_tokenizers.Split("e", "merged_with_previous"),
                pre_tokenizers.Split(Regex("[A-Z]"), "contiguous"),
                pre_tokenizers.FixedLength(6),
            ]
        ),
        decoder=decoders.CTC("<pad>", "|"),
    )
    yield "punctuation", train(
        models.WordLevel(unk_token="<unk>"),
        trainers.WordLevelTrainer(vocab_size=SIZE, show_progress=False, special_tokens=["<unk>"]),
        pre=pre_tokenizers.Sequence(
            [
                pre_tokenizers.Punctuation("contiguous"),
                pre_tokenizers.Split(Regex(r"\s+"), "merged_with_next", invert=True),
                pre_tokenizers.Split("a", "removed"),
            ]
        ),
        decoder=decoders.Fuse(),
    )
    yield "scripts", train(
        models.BPE(unk_token="<unk>"),
        letters_trainer(trainers.BpeTrainer, special_tokens=["<unk>"]),
        normalizer=normalizers.NFKC(),
        pre=pre_tokenizers.Sequence([pre_tokenizers.UnicodeScripts(), pre_tokenizers.Digits()]),
        decoder=decoders.Fuse(),
    )
    yield "byte-normalizer", train(
        models.BPE(),
        byte_trainer(),
        normalizer=normalizers.ByteLevel(),
        pre=pre_tokenizers.Split(Regex("Ġ?[^Ġ]+|Ġ+"), "isolated"),
        decoder=byte_level,
        added=[AddedToken("Upper Word"), AddedToken("<ADD>", special=True)],
    )


def letters_trainer_unigram(**options):
    return trainers.UnigramTrainer(vocab_size=SIZE, show_progress=False, **options)


def byte_unigram():
    """Scores that Viterbi has to weigh, and tokens for all bytes."""
    pieces = [
        "▁",
        "a",
        "b",
        "e",
        "th",
        "the",
        "▁the",
        "▁a",
        "in",
        "ing",
        "an",
        "and",
        "▁and",
        "漢字",
        "n",
        "i",
        "o",
        "on",
        "ion",
        "t",
        "s",
        "es",
        "r",
        "er",
    ]
    return models.Unigram(
        [("<unk>", 0.0)]
        + [(f"<0x{b:02X}>", 0.0) for b in range(256)]
        + [(piece, -1.0 - 0.37 * (i * 7 % 11)) for i, piece in enumerate(pieces)],
        0,
        True,
    )


def character_map():
    """A table of replacements as SentencePiece makes it, of a few NFKC rules."""
    import sentencepiece
    import io

    model = io.BytesIO()
    rules = fixtures / "rules.tsv"
    pairs = [
        ("ﬁ", "fi"),
        ("\u212b", "\u00c5"),
        ("①", "1"),
        ("½", "1⁄2"),
        ("\t", " "),
        ("\u3000", " "),
        ("ｆ", "f"),
        ("か\u3099", "が"),
        ("e\u0301", "é"),
        ("\u00ad", ""),
        ("\u200b", " "),
        ("™", "TM"),
        ("ﷺ", "صلى الله عليه وسلم"),
        ("\x07", ""),
    ]
    rules.write_text(
        "".join(
            "{}\t{}\n".format(" ".join(f"{ord(c):X}" for c in a), " ".join(f"{ord(c):X}" for c in b))
            for a, b in pairs
        )
    )
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["hello world a b c d e f g"] * 20),
        model_writer=model,
        vocab_size=20,
        normalization_rule_tsv=str(rules),
        minloglevel=2,
        hard_vocab_limit=False,
    )
    rules.unlink()
    from sentencepiece import sentencepiece_model_pb2 as proto

    parsed = proto.ModelProto()
    parsed.ParseFromString(model.getvalue())
    return parsed.normalizer_spec.precompiled_charsmap


# ---------------------------------------------------------------------------------------------------------------
# Expectations


def expectation(tokenizer, text):
    """The ids without and with special tokens, and the texts that they decode to, all tokens kept and not."""
    plain = tokenizer.encode(text, add_special_tokens=False).ids
    full = tokenizer.encode(text).ids
    return {
        "ids": plain,
        "full": full,
        "text": tokenizer.decode(plain, skip_special_tokens=False),
        "bare": tokenizer.decode(full),
    }


def compact(record, line):
    """What differs from the simplest case only."""
    result = {"ids": record["ids"]}
    if record["full"] != record["ids"]:
        ids, full = record["ids"], record["full"]
        starts = [i for i in range(len(full) - len(ids) + 1) if full[i : i + len(ids)] == ids]
        result["around"] = [full[: starts[0]], full[starts[0] + len(ids) :]] if starts else None
    if record["text"] != line:
        result["text"] = record["text"]
    if record["bare"] != record["text"]:
        result["bare"] = record["bare"]
    return result


def write_lines(path, values):
    path.write_text(
        "".join(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n" for value in values)
    )


def main():
    fixtures.mkdir(parents=True, exist_ok=True)
    print("tokenizers", tokenizers.__version__)
    corpus = make_corpus()
    write_lines(fixtures / "corpus.jsonl", corpus)
    # The hand-made lines, and some of the others, for the small ones.
    chosen = list(range(0, 75)) + list(range(75, len(corpus), 110))
    (fixtures / "small").mkdir(exist_ok=True)
    for name, tokenizer in small_tokenizers(corpus):
        tokenizer.save(str(fixtures / "small" / f"{name}.json"), pretty=False)
        tokenizer = Tokenizer.from_file(str(fixtures / "small" / f"{name}.json"))
        write_lines(
            fixtures / "small" / f"{name}.jsonl",
            [{"line": i, **compact(expectation(tokenizer, corpus[i]), corpus[i])} for i in chosen],
        )
        print(name, tokenizer.get_vocab_size())
    for directory in map(pathlib.Path, sys.argv[1:]):
        tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        records = [compact(expectation(tokenizer, line), line) for line in corpus]
        data = "".join(
            json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n" for record in records
        )
        (fixtures / "real").mkdir(exist_ok=True)
        (fixtures / "real" / f"{directory.name}.jsonl.xz").write_bytes(lzma.compress(data.encode(), preset=9))
        print(directory.name, tokenizer.get_vocab_size())


main()
