"""Makes Tests/Fixtures/tokenizers/expressions.jsonl: regular expressions of every kind, and where the Python package
`tokenizers`, whose engine is Oniguruma, finds them in a few texts. The first line has the texts; each of the others
has a pattern and, for each text, the matches that are not empty as pairs of byte offsets."""

import json
import pathlib

from tokenizers import Regex, pre_tokenizers

target = pathlib.Path(__file__).parent.parent / "Tests/Fixtures/tokenizers/expressions.jsonl"

TEXTS = [
    "It's WHAT they'd said:  aab abb_12 ABBA c3d4\n\tx y\r\n  z \n",
    "été ßS ſtraße Ωmega ǅ ǆ K K İı 漢字かな カナ, 漢a字b ｆｕ ١٢٣ ½ ² Ⅷ",
    "a\u0301e\u0308 क्षत्रिय ไทย\u200dx 👩‍👩‍👧 🇩🇪🇫🇷 \u180e\u200b|\u2028|\u2029|\x0b|\x0c|\x85|\xa0|\u3000|\u202f",
    "a&&b [c] {2} (d) ^e$ f.g\\h i-j #k aaa aaaaaa {,2} bb\x07\x1b\x08",
    "\n\nline one\nline two\n",
    "",
]

PATTERNS = (
    # Classes with names, and their complements.
    [rf"\{letter}" for letter in "sSwWdDhHvNOtnrfaeR"]
    + [rf"\{letter}+" for letter in "sSwWdDhH"]
    + [rf"[\{letter}_-]+" for letter in "sSwWdDhH"]
    + [rf"[^\{letter}_]+" for letter in "sSwWdDhH"]
    + [
        f"[[:{sign}{name}:]]+"
        for sign in ["", "^"]
        for name in "alnum alpha ascii blank cntrl digit graph lower print punct space upper xdigit word".split()
    ]
    + [
        rf"\{letter}{{{name}}}+"
        for letter in ["p", "P", "p^"]
        for name in "L Lu M N Nd P S Z Zs Cc Cf Letter Uppercase_Letter".split()
        + "punctuation Space-Separator Han hiragana Latin Alphabetic White_Space Emoji Any Assigned alnum punct word".split()
        for letter, name in [(letter[0], letter[1:] + name)]
    ]
    + [r"[\p{^Han}\d]+", r"[^\P{L}a-z]+", r"\pL", r"[\p{L}\p{M}&&[^\p{Han}]]+"]
    # Classes within classes.
    + [
        r"[a-c[x-z]]+", r"[^a-c[x-z]]+", r"[a-z&&[^aeiou]]+", r"[a-z&&b-d]", r"[^a-z&&b-d]+", r"[a-z&&[b-m]&&[^e]]+",
        r"[\w&&[^\d_]]+", r"[[a-z]&&[^a]x]+", r"[]a]+", r"[^]a]+", r"[a\]b]+", r"[-a]+", r"[a-]+", r"[a\-c]+", r"[\w-]+",
        r"[&a]+", r"[\n\t\x20]+", r"[\u4e00-\u9fff]+", r"[\x{4e00}-\x{9fff}]+", r"[\b\a\e]", r"[.*+?(){}|^$]+", r"[\Sx]+",
        r"[一-龥぀-ゟ゠-ヿ]+", r"[^\r\n\p{L}\p{N}]?\p{L}+", r"[[:alpha:]_]+", r"[[:^alpha:]a]+", r"(?i:[a-b]+)", r"(?i:[^a]+)",
        r"[a-f&&\h]+", r"[#-&]+", r"[\101\060]+", r"[\p{word}]+",
    ]
    # Anchors.
    + [
        r"^.", r".$", r"^\w+", r"\w+$", r"\A\w+", r"\w+\z", r"\s\Z", r"\bt\w+", r"\B\w", r"\b", r"\b\w", r"\w\b", r"\G\w",
        r"(?<=a)b", r"(?<!a)b", r"a(?=b)", r"a(?!b)", r"a\Kb", r"\s+(?!\S)", r"\s*[\r\n]+", r"^$", r"$\n", r"(?<=\n)\w",
    ]
    # Repetitions.
    + [
        r"a?b", r"a*?b", r"a+?", r"a??b", r"a*+b", r"a++a", r"a?+a", r"a{2}", r"a{2,}", r"a{,2}b", r"a{1,2}?", r"a{2,}?",
        r"a{2}?", r"a{2}+", r"a{1,2}+a", r"a{1,2}+", r"(?:aa){1,2}+a", r"a**", r"a+*", r"a{2}{2}", r"a{,}", r"a{x", r"x{2",
        r"\{2\}", r"\{,2", r" {2,}", r"a{2}??", r"(?>a+)a", r"(?>a+)b", r"(ab|a)b", r"(a)\1", r"(?<x>a)b", r"b{0}a", r"",
    ]
    # Options.
    + [
        r"(?i:it's|what)", r"(?i)abb", r"a(?i)b|c", r"(?i:a(?-i)b)", r"(?m:e.t)", r"one.line", r"(?m)one.line", r"(?m:.+)",
        r"(?im:E.L)", r"(?i-m:T.)", r"(?mi-i:t.)", r"(?i:k)", r"(?i:ſ)", r"(?i:ω)", r"(?i:ǅ)", r"(?i:\p{Lu}+)", r"(?:ab)+",
        r"(?:a(?i)b|c)A?",
    ]
    # Escapes.
    + [
        r"\x41", r"\x{4f}", r"\u0041", r"\060", r"\-", r"\.", r"\&", r"\/", r"\i", r"\q", r"\_", r"\漢", r"\|", r"\<e", r"\ ",
        r"]", r"}", r"{", "#", " ", "漢", "\\\n", "-", "&&", "'", '"', r"\"", r"\'",
    ]
    # As tokenizers have them.
    + [
        r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        r"(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t)?|\p{N}{1,3}|\s+",
        r"\p{Han}+|[\p{L}&&[^\p{Han}]]+",
        r"[^(\s|[.,!?…。，、।۔،])]+",
        r"\w+|[^\w\s]+",
        r"[\p{P}\$\+<=>\^~\|`]+",
        r"\s?\p{L}+",
        r"(?=(\d{3})+(?!\d))",
        r"\d{1,3}(?=(?:\d{3})*\b)",
    ]
)


def places(pattern, text):
    """The matches of a pattern in a text that are not empty, in bytes."""
    finder = pre_tokenizers.Split(Regex(pattern), "removed", invert=True)
    offsets = [0]
    for character in text:
        offsets.append(offsets[-1] + len(character.encode()))
    return [[offsets[a], offsets[b]] for _, (a, b) in finder.pre_tokenize_str(text)]


lines = [{"texts": TEXTS}]
for pattern in dict.fromkeys(PATTERNS):
    try:
        lines.append({"pattern": pattern, "matches": [places(pattern, text) for text in TEXTS]})
    except Exception as error:
        raise SystemExit(f"{pattern}: {error}")
target.write_text("".join(json.dumps(l, ensure_ascii=False, separators=(",", ":")) + "\n" for l in lines))
