import Configs
import Testing

/// The text of configs: what YAML may be, and what is wrong with what is not.
@Suite struct YAMLTests {
  @Test(arguments: [
    ("", "1:1: there is no config in the file; expected merge_method, and models, slices or modules"),
    (
      "# nothing\n---\n...\n",
      "1:1: there is no config in the file; expected merge_method, and models, slices or modules"
    ),
    ("- a", "1:1: expected keys such as merge_method at the top of the config, found a list"),
    ("\nties", "2:1: expected keys such as merge_method at the top of the config, found 'ties'"),
    ("a: 1\n---\n[b]", "3:1: expected keys such as merge_method at the top of the config, found a list"),
    (
      "a: [1, 2",
      "2:1: this is not valid YAML: did not find expected ',' or ']', while parsing a flow sequence "
        + "that begins at 1:4"
    ),
    ("a: b: c", "1:5: this is not valid YAML: mapping values are not allowed in this context"),
    (
      "a:\n\t- b",
      "2:1: this is not valid YAML: found character that cannot start any token (a tab; YAML indents with "
        + "spaces), while scanning for the next token"
    ),
    (
      "```yaml\na: b\n```\n",
      "1:1: a code fence (```) stands around the config; YAML begins without it: take away this line and the last"
    ),
    (
      "\n  ```\na: b\n```",
      "2:3: a code fence (```) stands around the config; YAML begins without it: take away this line and the last"
    ),
    (
      "a:\n\u{A0} b: c",
      "2:1: a non-breaking space (U+A0) stands in the indentation; YAML indents with plain spaces"
    ),
    (
      "a:\n -\u{A0}b: c",
      "2:2: a non-breaking space (U+A0) stands in the indentation; YAML indents with plain spaces"
    ),
    (
      "a:\n  \u{202F}b: c",
      "2:3: a non-breaking space (U+202F) stands in the indentation; YAML indents with plain spaces"
    ),
    (
      "a: \"b",
      "1:6: this is not valid YAML: found unexpected end of stream, while scanning a quoted scalar that "
        + "begins at 1:4"
    ),
    ("a: 1\nb: \u{1}", "2:4: this is not valid YAML: control characters are not allowed"),
    (
      "a: 1\n b: 2\nb: 3\na: 4", "2:3: this is not valid YAML: mapping values are not allowed in this context"
    ),
    ("<<: {a: 1}\n<<: {b: 1}", "2:1: <<: the key is given twice, first at 1:1"),
    ("[a]: 1", "1:1: expected a name as the key, found a list"),
    (
      "a: &wieght 1\nb: *weight",
      "2:4: no anchor '&weight' comes before the alias '*weight' (did you mean 'wieght'?)"
    ),
    ("a: &x 1\n---\nb: *x", "3:4: no anchor '&x' comes before the alias '*x'"),
    ("a: &x [*x]", "1:8: the alias '*x' stands within what its anchor names"),
    ("a: &x\n  <<: *x", "2:7: the alias '*x' stands within what its anchor names"),
    ("a: {<<: 1}", "1:9: '<<' takes a mapping or a list of mappings, found '1'"),
    ("a: {<<: [{b: 1}, [2]]}", "1:18: '<<' takes a mapping or a list of mappings, found a list"),
  ])
  func badText(_ yaml: String, _ words: String) {
    #expect(message(yaml) == "config.yml:\(words)")
  }

  @Test func badBytes() {
    let bytes: [UInt8] = Array("a: ö\nb: ü".utf8) + [0xFF]
    #expect(throws: ConfigError.self) { try ConfigFile(bytes: bytes, path: "c.yml") }
    do { _ = try ConfigFile(bytes: bytes, path: "c.yml") } catch {
      #expect(error.description == "c.yml:2:5: the text is not UTF-8 (byte 0xFF)")
    }
  }

  @Test func byteOrderMarkAndLineEnds() throws {
    let yaml = "merge_method: linear\r\nmodels: [{model: a}]\r\nparameters:\r\n  weight: 1\r\n"
    #expect(try translate("\u{FEFF}" + yaml).recipe == translate(yaml).recipe)
    #expect(message("\u{FEFF}" + yaml + "dtype: x").hasPrefix("config.yml:5:8: dtype: "))
  }

  /// Each level of aliases doubles what the level before stands for.
  @Test(arguments: [12, 25, 60])
  func aliasesThatExplode(levels: Int) {
    var yaml = "l0: &l0 [0, 0]\n"
    for level in 1...levels { yaml += "l\(level): &l\(level) [*l\(level - 1), *l\(level - 1)]\n" }
    let text = message(yaml + "? *l\(levels)\n: 1\n")
    #expect(
      levels < 16
        ? text.hasPrefix("config.yml:14:3: expected a name as the key")
        : text.hasPrefix("config.yml:15:")
          && text.hasSuffix(" the aliases of the file stand for more than 100000 values"),
      "\(text)")
  }

  @Test func mergeKeysThatExplode() {
    var yaml = "l0: &l0 {a: 1, b: 2}\n"
    for level in 1...40 {
      yaml += "l\(level): &l\(level) {<<: *l\(level - 1), x: *l\(level - 1), y: *l\(level - 1)}\n"
    }
    #expect(message(yaml).hasSuffix("the aliases of the file stand for more than 100000 values"))
  }

  @Test func deepNesting() {
    let words = "nested more than 64 levels deep"
    for depth in [100, 900, 5000, 100_000] {
      let (flow, block) = (
        message("a: " + String(repeating: "[", count: depth)), message(String(repeating: "- ", count: depth))
      )
      // libyaml reads ahead, and may give up before.
      if depth < 1000 { #expect(flow == "config.yml:1:67: \(words)") }
      #expect(flow.hasSuffix(": \(words)"))
      #expect(block == "config.yml:1:129: \(words)")
    }
    var chain = "l0: &l0 1\n"
    for level in 1...100 { chain += "l\(level): &l\(level) [*l\(level - 1)]\n" }
    #expect(message(chain) == "config.yml:63:12: \(words)")
  }

  @Test func mergeKeys() throws {
    let recipe = try translate(
      """
      p: &p {weight: 1, density: 0.1}
      q: &q {weight: 2, lambda: 7, <<: {normalize: true, lambda: 8}}
      merge_method: ties
      base_model: a
      models: [{model: b}]
      parameters:
        density: 0.3
        <<: [*p, *q]
        int8_mask: off
      """
    ).recipe
    #expect(
      recipe.contains(
        "  parameters = { weight = 1, normalize = true, lambda = 7, density = 0.3, int8_mask = false },\n"))
  }

  /// The last value counts, as in mergekit.
  @Test func repeatedKeys() throws {
    let yaml = """
      merge_method: linear
      models: [{model: a}]
      dtype: float16
      parameters: {weight: 1, normalize: no, weight: 2, "weight": 3}
      dtype: float32
      """
    let translation = try translate(yaml)
    #expect(translation.recipe.contains("  parameters = { weight = 3, normalize = false },\n"))
    #expect(translation.recipe.contains("  dtype = \"float32\",\n"))
    #expect(
      translation.warnings == [
        "config.yml:4:40: weight: the key is given twice, first at 4:14; the last value counts",
        "config.yml:4:51: weight: the key is given twice, first at 4:14; the last value counts",
        "config.yml:5:1: dtype: the key is given twice, first at 3:1; the last value counts",
      ])
    #expect(
      message(yaml, options: TranslationOptions(isStrict: true))
        == "config.yml:4:40: weight: the key is given twice, first at 4:14")
  }

  @Test func quotedMergeKeyIsAKey() throws {
    #expect(
      try translate("{merge_method: passthrough, models: [{model: a}], '<<': {dtype: float16}}").warnings
        == [
          "config.yml:1:51: <<: unknown key, left out (known: merge_method, base_model, models, slices, "
            + "modules, "
            + "parameters, dtype, out_dtype, chat_template, tokenizer_source, tokenizer, name)"
        ])
  }

  /// Whatever stands in a file, there is a recipe or an error.
  @Test func damagedConfigs() throws {
    var random = SplitMix(seed: 3)
    var recipes = 0
    for name in ["ties", "slices", "modules", "rules", "anchors", "mega", "chat-template"] {
      let bytes = Array(try fixture("\(name).yml").utf8)
      func run(_ bytes: [UInt8]) {
        guard let config = try? ConfigFile(bytes: bytes, path: "config.yml") else { return }
        guard let translation = try? config.translate(methods: methods) else { return }
        recipes += translation.recipe.isEmpty ? 0 : 1
      }
      for end in bytes.indices { run(Array(bytes[..<end])) }
      let pieces = [
        "[", "]", "{", "}", "&a ", "*a", "<<: ", "\n", "- ", ": ", "\t", "'", "\"", "~", "1e9", "|", "\u{0}",
      ]
      for _ in 0..<1500 {
        var damaged = bytes
        for _ in 0...Int.random(in: 0..<3, using: &random) {
          let place = Int.random(in: damaged.indices, using: &random)
          switch Int.random(in: 0..<4, using: &random) {
          case 0: damaged[place] = UInt8.random(in: 0...255, using: &random)
          case 1: damaged.remove(at: place)
          case 2: damaged.insert(contentsOf: pieces.randomElement(using: &random)!.utf8, at: place)
          default:
            let from = Int.random(in: damaged.indices, using: &random)
            damaged.insert(contentsOf: damaged[from..<min(from + 20, damaged.count)], at: place)
          }
        }
        run(damaged)
      }
    }
    #expect(recipes > 500)
  }
}

/// A small generator that gives the same numbers every time (splitmix64, https://prng.di.unimi.it).
struct SplitMix: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
