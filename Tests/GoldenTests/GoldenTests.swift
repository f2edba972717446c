import Basics
import Foundation
import Scripting
import SystemPackage
import Tensors
import Testing
import Tokenizers

/// Configs merged here and by mergekit 0.1.5.
@Suite struct GoldenTests {
  @Test func everyMethodHasGoldens() throws {
    #expect(GoldenCase.all.count == 207)
    // What mergekit lacks is compared with numpy: see MethodGoldenTests.
    let others = try JSON(contentsOf: FilePath("\(GoldenCase.folder)/../methods/cases.json")).arrayValue ?? []
    let methods = GoldenCase.all.compactMap(\.method) + others.compactMap { $0["method"]?.stringValue }
    #expect(Set(methods) == Set(StandardLibrary.embedded.methodNames))
  }

  /// The tensors are mergekit's; in tiles of seven elements and small shards, where tiles, blocks and shards
  /// are crossed, they are the same to the bit; and so they are by the translated recipe.
  @Test(arguments: GoldenCase.all)
  func configGivesThePeersTensors(_ golden: GoldenCase) throws {
    let bench = try GoldenBench()
    let directory = try bench.run(golden.text, options: golden.options)
    let found = try GoldenTensor.read(directory)
    let differences = try differences(of: byToken(found, golden, directory), from: golden)
    #expect(differences == [])
    #expect(bench.warnings.isEmpty != Self.warned.contains(golden.name), "\(bench.warnings)")

    let crossed = try bench.run(golden.text, options: golden.options, tileSize: 7, maximumShardBytes: 1000)
    #expect(try found == GoldenTensor.read(crossed), "in tiles of seven")
    #expect(try bench.modelFiles(crossed).count > 4)

    let recipe = try bench.modelFiles(bench.runRecipe(ofConfig: golden.text, options: golden.options))
    #expect(recipe.keys.sorted() == ["config.json", "model.safetensors"])
    #expect(try recipe == bench.modelFiles(directory), "by the translated recipe")
  }

  /// The cases with a parameter that is left out, a filter that matches nothing, a tensor that not every
  /// model has, or tokens that models have otherwise than each other.
  private static let warned: Set = [
    "missing-arcee_fusion", "missing-frankenmerge", "missing-karcher", "missing-linear",
    "missing-model_stock",
    "missing-model_stock-skipped", "missing-multislerp", "missing-nearswap", "missing-nuslerp",
    "missing-sce", "missing-slerp", "missing-task_arithmetic", "settings-filter-order",
    "slerp-beyond", "slices-shared-in-source", "ties-density-ends", "vocabulary-base-ties",
    "vocabulary-dtype", "vocabulary-kinds-mixed", "vocabulary-model-linear", "vocabulary-model-without-base",
    "vocabulary-padded-embedding", "vocabulary-padded-embedding-task_arithmetic",
    "vocabulary-short-base", "vocabulary-tokens", "vocabulary-union-linear", "vocabulary-union-without-base",
  ]

  // MARK: Vocabularies

  /// Tensors with the rows of the tokens in the order of the case; the tokens are the same, and config.json
  /// has the count of the rows.
  private func byToken(
    _ tensors: [GoldenTensor], _ golden: GoldenCase, _ directory: String
  ) throws -> [GoldenTensor] {
    guard let tokens = try golden.tokens() else { return tensors }
    let vocabulary = try #require(try TokenizerFiles(in: ModelDirectory(FilePath(directory)), label: "out"))
      .vocabulary
    #expect(Set(tokens) == Set(vocabulary.texts))
    let ids = try tokens.map { try #require(vocabulary.id(of: $0)) }
    let rows = try JSON(contentsOf: FilePath("\(directory)/config.json"))["vocab_size"]?.intValue
    return tensors.map { tensor in
      guard tensor.hasTokenRows else { return tensor }
      #expect(tensor.shape[0] == rows)
      var tensor = tensor
      tensor.reorder(ids)
      return tensor
    }
  }

  // MARK: Comparing

  /// What differs between merged tensors and those of a case by more than its numbers allow, in words.
  private func differences(of found: [GoldenTensor], from golden: GoldenCase) throws -> [String] {
    let expected = try golden.expected()
    let truth = try golden.truth()
    guard found.map(\.name) == expected.map(\.name) else {
      let found = Set(found.map(\.name)), expected = Set(expected.map(\.name))
      return found.subtracting(expected).sorted().map { "\($0): not expected" }
        + expected.subtracting(found).sorted().map { "\($0): missing" }
    }
    return zip(found, expected).enumerated().compactMap { index, pair in
      let (found, expected) = pair
      guard found.shape == expected.shape, found.dtype == expected.dtype else {
        return "\(found.name): \(found.dtype) \(found.shape), expected \(expected.dtype) \(expected.shape)"
      }
      if let truth { return farther(found, expected, truth: truth[index]) }
      return difference(found, expected)
    }
  }

  /// The largest difference that is not due to the rounding of float32, or of the stored dtype.
  private func difference(_ found: GoldenTensor, _ expected: GoldenTensor) -> String? {
    let values = zip(found.elements, expected.elements)
    let allowed = 5e-6 * expected.elements.reduce(0) { max($0, abs($1)) }
    let worst = values.enumerated().filter { _, pair in
      let isNeighbour = expected.dtype.bitWidth == 16 && abs(pair.0 - pair.1) <= spacing(pair, expected.dtype)
      return !(abs(pair.0 - pair.1) <= allowed || isNeighbour)
    }.max { abs($0.element.0 - $0.element.1) < abs($1.element.0 - $1.element.1) }
    return worst.map { "\(found.name): element \($0): \($1.0), expected \($1.1)" }
  }

  /// The distance of neighbouring numbers of a 16-bit dtype, at the larger of two.
  private func spacing(_ pair: (Double, Double), _ dtype: DType) -> Double {
    let (significantBits, smallest) = dtype == .bf16 ? (7, -126) : (10, -14)
    let exponent = max(abs(pair.0), abs(pair.1)).exponent
    return Double(sign: .plus, exponent: max(Int(exponent), smallest) - significantBits, significand: 1)
  }

  /// Where mergekit computes in 16 bits, what is made here is at least as near to what float64 gives, as far
  /// as float32 can tell.
  private func farther(_ found: GoldenTensor, _ mergekit: GoldenTensor, truth: GoldenTensor) -> String? {
    let own = distance(found, truth)
    let others = distance(mergekit, truth)
    let resolution = 0x1p-23 * truth.elements.reduce(0) { max($0, abs($1)) }
    return own <= max(others, resolution) ? nil : "\(found.name): \(own) from the truth, mergekit \(others)"
  }

  /// The root of the mean squared difference.
  private func distance(_ a: GoldenTensor, _ b: GoldenTensor) -> Double {
    let squares = zip(a.elements, b.elements).map { ($0 - $1) * ($0 - $1) }
    return (squares.reduce(0, +) / Double(max(1, squares.count))).squareRoot()
  }
}
