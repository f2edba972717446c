import Basics
import Testing

@testable import Configs

/// The configs that commands make of their options.
@Suite struct CommandConfigTests {
  // MARK: Random numbers

  /// By CPython 3.11: `random.seed(7)`, then `random.random()` and `random.randrange(5)`, and so on.
  @Test func theNumbersOfPython() {
    var random = PythonRandom(seed: 7)
    #expect(
      (0..<3).map { _ in random.unit() } == [0.32383276483316237, 0.15084917392450192, 0.6509344730398537])
    #expect((0..<8).map { _ in random.below(5) } == [0, 4, 0, 2, 4, 0, 4, 1])
    var list = Array(0..<10)
    random.shuffle(&list)
    #expect(list == [7, 4, 2, 5, 8, 9, 3, 6, 1, 0])
    random = PythonRandom(seed: 0xfedc_ba98_7654_3210)
    #expect(random.unit() == 0.28551133247024263)
    random = PythonRandom(seed: 0)
    #expect(random.unit() == 0.8444218515250481)
  }

  /// More than one block of the generator's words.
  @Test func manyNumbers() {
    var random = PythonRandom(seed: 1)
    let mean = (0..<5000).reduce(0.0) { sum, _ in sum + random.unit() } / 5000
    #expect(abs(mean - 0.5) < 0.02)
    #expect(Set((0..<5000).map { _ in random.below(3) }) == [0, 1, 2])
    #expect(random.choice(weights: [0, 0, 1]) == 2)
    #expect(random.below(1) == 0)
  }

  // MARK: Layers at random

  private let models = [
    LayerShuffle.Model(reference: "a", layers: 12), LayerShuffle.Model(reference: "b", layers: 12),
    LayerShuffle.Model(reference: "c", layers: 12),
  ]

  /// What mergekit 0.1.5 picks after `random.seed(42)`.
  @Test func theLayersOfMergekit() {
    let runs = LayerShuffle.keepingOrder(models, weights: [0.5, 0.2, 0.3], seed: 42).runs
    #expect(
      runs.map { "\($0.model) \($0.layers)" } == [
        "b 0..<1", "a 1..<4", "c 4..<5", "b 5..<6", "c 6..<7", "a 7..<11", "b 11..<12",
      ])
    let few = [LayerShuffle.Model(reference: "a", layers: 4), LayerShuffle.Model(reference: "b", layers: 3)]
    #expect(
      LayerShuffle.inAnyOrder(few, shares: [1, 1], seed: 42).runs.map { "\($0.model)\($0.layers.lowerBound)" }
        == ["a1", "a0", "a2", "b2", "b0", "b0", "a0"])
  }

  @Test func shares() {
    var picked: Set<Int> = []
    for seed in UInt64(0)..<50 {
      let runs = LayerShuffle.inAnyOrder(models, shares: [0.5, 0, 0.25], seed: seed).runs
      #expect(runs.filter { $0.model == "a" }.count == 6 && runs.filter { $0.model == "c" }.count == 3)
      picked.formUnion(runs.map(\.layers.lowerBound))
    }
    #expect(picked == Set(0..<12))
    #expect(LayerShuffle.inAnyOrder(models, shares: [0.01, 0, 0], seed: 1).isEmpty)
  }

  @Test func theTextOfAStack() {
    let two = [LayerShuffle.Model(reference: "a: b", layers: 2)]
    #expect(
      ConfigText.text(LayerShuffle.keepingOrder(two, weights: [1], seed: 1).config(dtype: "float16")) == """
        dtype: float16
        merge_method: passthrough
        slices:
        - sources:
          - layer_range:
            - 0
            - 2
            model: 'a: b'

        """)
  }

  // MARK: Options

  /// What mergekit-legacy 0.1.5 prints.
  @Test func theTextOfALegacyMerge() {
    var legacy = LegacyMerge()
    legacy.models = ["math", "code"]
    legacy.base = "base"
    legacy.densities = [0.5]
    legacy.weights = [0.3, 0.7]
    legacy.usesInt8Masks = true
    legacy.normalizes = false
    legacy.dtype = "bfloat16"
    #expect(
      ConfigText.text(legacy.config) == """
        base_model: base
        dtype: bfloat16
        merge_method: ties
        models:
        - model: math
          parameters:
            density: 0.5
            weight: 0.3
        - model: code
          parameters:
            density: 0.5
            weight: 0.7
        - model: base
          parameters:
            density: 0.5
        parameters:
          int8_mask: true
          normalize: false

        """)
    #expect(legacy.problem == nil)
    legacy.weights = [1, 2, 3, 4]
    #expect(legacy.problem == "--weight is given 4 times for 3 models")
  }

  @Test func slerp() {
    var legacy = LegacyMerge()
    #expect(legacy.problem == "Missing expected argument '--merge <model>'")
    legacy.models = ["base", "math"]
    legacy.base = "base"
    legacy.method = "slerp"
    #expect(legacy.problem == "--method slerp takes exactly one --weight, its t, got 0")
    legacy.weights = [0.25]
    #expect(
      ConfigText.text(legacy.config)
        == "base_model: base\nmerge_method: slerp\nmodels:\n- model: base\n- model: math\nparameters:\n  t: 0.25\n"
    )
  }

  /// What is written is read as it was.
  @Test(arguments: [
    "plain/path-1.5_b", "1e5", "yes", "null", "~/x", "- a", "a: b", "it's", "#x", "", " a", "a\nb", "a\tb",
    "ä",
    "{a}", "@x", "a@main", "x+y", "0x10", "\u{2028}", "n", "=",
  ]) func textsAreReadAsTheyWere(text: String) throws {
    let yaml = ConfigText.text(
      .object(["merge_method": .string(text), "list": .array([.string(text), .array([])])]))
    let (documents, _) = try YAMLReader.documents(of: Array(yaml.utf8), file: "x")
    #expect(documents[0]["merge_method"]?.text == text && documents[0]["list"]?.sequence?[0].text == text)
  }

  // MARK: Runs of layers

  private let layers = """
    layer_slices:
      - {model: models/a, start: 0, end: 3}
      - model: models/b
        start: 1
        end: 4
        scale: 0.5
    embedding_source: models/c
    lm_head_source: models/b
    """

  @Test func runsOfLayers() throws {
    let translation = try translate(layers)
    #expect(
      translation.recipe == """
        -- From config.yml
        local mk = require "mergekit"

        local c = mk.model "models/c"
        local a = mk.model "models/a"
        local b = mk.model "models/b"

        return mk.merge {
          method = "passthrough",
          slices = {
            { sources = { { c, layers = { 0, 0 } } } },
            { sources = { { a, layers = { 0, 3 } } } },
            { sources = { { b, layers = { 1, 4 }, scale = { filter = "down_proj", value = 0.5 } } } },
            { sources = { { b, layers = { 0, 0 } } } },
          },
        }

        """)
    #expect(translation.place(ofPath: "slices[3].sources[1].scale") == "config.yml:6:12")
    #expect(translation.warnings == [])
  }

  @Test(arguments: [
    ("layer_slices: []", "1:15: layer_slices: the list is empty; expected at least one entry"),
    ("layer_slices: [{model: a, start: 0}]", "1:16: layer_slices[1]: end is missing"),
    ("layer_slices: [{model: a, begin: 0, end: 3}]", "1:16: layer_slices[1]: start is missing"),
    (
      "layer_slices: [{model: a, start: x, end: 3}]",
      "1:34: layer_slices[1].start: expected a layer number, found 'x'"
    ),
    (
      "layer_slices: [{model: a, start: -1, end: 3}]",
      "1:34: layer_slices[1].start: layers count from 0, found -1"
    ),
    (
      "layer_slices: [{model: a, start: 3, end: 1}]",
      "1:16: layer_slices[1]: [3, 1] is reversed: the first layer comes first"
    ),
    (
      "layer_slices: [{model: a, start: 0, end: 1, scale: big}]",
      "1:52: layer_slices[1].scale: expected a number, found 'big'"
    ),
    ("layer_slices: [3]", "1:16: layer_slices[1]: expected a mapping of model, start and end, found '3'"),
  ]) func faults(yaml: String, expected: String) {
    #expect(message(yaml).hasPrefix("config.yml:\(expected)"))
  }

  @Test func anUnknownKey() throws {
    #expect(
      try translate("{layer_slices: [{model: a, start: 0, end: 1}], embeding_source: b}").warnings
        == ["config.yml:1:48: embeding_source: unknown key, left out (did you mean 'embedding_source'?)"])
  }
}
