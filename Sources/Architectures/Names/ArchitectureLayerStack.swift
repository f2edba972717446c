/// A list of layers found in tensor names.
struct LayerStack {
  /// What stands before the layer's number, such as `model.layers`.
  let prefix: String
  /// The largest number and one.
  let count: Int
  /// Further lists of as many entries that are parts of the same layers.
  var furtherPrefixes: [String] = []
  /// How many of the last entries have what predicts further tokens alone (DeepSeek's `eh_proj`).
  var predictors = 0
  /// Whether it is a list of modules beside the model's layers: graded as layers are, and never the model's own.
  var isMinor = false

  /// What model code calls its list of layers. The entries of other numbered lists (experts, the parts of
  /// a `Sequential`) are no layers.
  private static let listNames: Set<Substring> = [
    "layers", "layer", "h", "block", "blocks", "resblocks", "hidden_layers", "encoder_layers",
    "decoder_layers", "transformer_layers", "transformer_blocks", "mamba_layers", "albert_layer_groups",
    "conformer_layers",
  ]

  /// Stacks beside the model's own that it runs without: predictors of further tokens.
  private static let auxiliaryNames: Set<Substring> = ["mtp", "nextn", "mtp_layers"]

  /// The largest layer number that is believed.
  private static let largestNumber = 99_999

  /// The stacks that a model's tensor names show, in the order of their prefixes.
  ///
  /// A stack is a numbered list with a known name, whose entries are modules with parts of their own
  /// (`layers.0.mlp.weight`, and not the `layers.0.weight` of a projector); the outermost, where one lies
  /// in another. Where a model has none, it is the largest list of modules that is numbered without gaps,
  /// with those of as many entries beside it (XLM's `attentions` and `ffns`), or else the known names without
  /// regard to the parts. All other lists of modules without gaps are minor stacks.
  static func find(in names: some Collection<String>) -> [LayerStack] {
    let lists = Lists(names)
    let others = lists.unknown.filter { $0.value.isContiguous }
    if !lists.nested.isEmpty {
      // BLT's `cross_attn_layers`, PvT's `patch_embeddings` and Segformer's `layer_norm` are parts of the layers beside
      // them.
      var found = stacks(lists.nested)
      var minor = others
      let flat = lists.unknownFlat.filter { $0.value.isContiguous && $0.value.largest > 1 }
      for (prefix, candidate) in others.merging(flat, uniquingKeysWith: { first, _ in first }) {
        let index = found.firstIndex {
          $0.count == candidate.largest + 1 && parent(of: $0.prefix) == parent(of: prefix)
        }
        guard let index else { continue }
        found[index].furtherPrefixes = (found[index].furtherPrefixes + [prefix]).sorted()
        minor[prefix] = nil
      }
      return found + stacks(minor, areMinor: true)
    }
    guard
      let largest = others.max(by: { ($0.value.tensors, $1.key) < ($1.value.tensors, $0.key) })
    else { return stacks(lists.flat) }
    func isBeside(_ key: String, _ candidate: Candidate) -> Bool {
      key != largest.key && candidate.largest == largest.value.largest
        && parent(of: key) == parent(of: largest.key)
    }
    let further = others.merging(lists.unknownFlat.filter { $0.value.isContiguous }) { first, _ in first }
      .filter { isBeside($0.key, $0.value) }.keys.sorted()
    let main = LayerStack(
      prefix: largest.key, count: largest.value.largest + 1, furtherPrefixes: further)
    return [main]
      + stacks(others.filter { $0.key != largest.key && !further.contains($0.key) }, areMinor: true)
  }

  private static func stacks(_ lists: [String: Candidate], areMinor: Bool = false) -> [LayerStack] {
    lists.map { prefix, list in
      LayerStack(
        prefix: prefix, count: list.largest + 1, predictors: list.trailingPredictors, isMinor: areMinor)
    }
    .sorted { $0.prefix < $1.prefix }
  }

  private static func parent(of prefix: String) -> Substring {
    prefix.utf8.lastIndex(of: UInt8(ascii: ".")).map { prefix[..<$0] } ?? ""
  }

  /// The numbered lists in the names of tensors.
  private struct Lists {
    /// Those with known names, of modules with parts and of others.
    var nested: [String: Candidate] = [:]
    var flat: [String: Candidate] = [:]
    /// The outermost of those in names that have no known one, likewise.
    var unknown: [String: Candidate] = [:]
    var unknownFlat: [String: Candidate] = [:]
    /// The numbers of unknown lists in whose entries known ones lie.
    private var around: [String: Set<Int>] = [:]

    init(_ names: some Collection<String>) {
      for name in names { add(name) }
      for (prefix, candidate) in flat { nested[prefix]?.add(candidate) }
      for (prefix, candidate) in unknownFlat { unknown[prefix]?.add(candidate) }
      for (prefix, numbers) in around { unknown[prefix]?.add(numbers) }
    }

    private mutating func add(_ name: String) {
      var outermost: NumberedComponent?
      for number in NumberedComponents(name) where number.value <= largestNumber {
        outermost = outermost ?? number
        guard listNames.contains(number.list), !isAuxiliary(number.prefix) else { continue }
        let key = String(number.prefix)
        if hasParts(number) {
          nested[key, default: Candidate()].add(number)
        } else {
          flat[key, default: Candidate()].add(number)
        }
        if let outermost, outermost.prefix != number.prefix {
          around[String(outermost.prefix), default: []].insert(outermost.value)
        }
        return
      }
      guard let outermost, !isAuxiliary(outermost.prefix) else { return }
      let key = String(outermost.prefix)
      if hasParts(outermost) {
        unknown[key, default: Candidate()].add(outermost)
      } else {
        unknownFlat[key, default: Candidate()].add(outermost)
      }
    }

    private func hasParts(_ number: NumberedComponent) -> Bool {
      number.rest.utf8.contains(UInt8(ascii: "."))
    }
  }

  private static func isAuxiliary(_ prefix: Substring) -> Bool {
    prefix.split(separator: ".").contains { auxiliaryNames.contains($0) }
  }

  private struct Candidate {
    private var numbers: Set<Int> = []
    private var predictors: Set<Int> = []
    private(set) var largest = 0
    private(set) var tensors = 0

    /// Whether there are several entries, and none is missing.
    var isContiguous: Bool { largest > 0 && numbers.count == largest + 1 }

    /// How many of the last entries predict further tokens; none if all do.
    var trailingPredictors: Int {
      let layers = (0...largest).last { !predictors.contains($0) }
      return layers.map { largest - $0 } ?? 0
    }

    mutating func add(_ number: NumberedComponent) {
      numbers.insert(number.value)
      if number.rest.hasPrefix("eh_proj.") { predictors.insert(number.value) }
      largest = max(largest, number.value)
      tensors += 1
    }

    /// Adds entries whose tensors belong to other lists.
    mutating func add(_ others: Set<Int>) {
      numbers.formUnion(others)
      largest = max(largest, others.max() ?? 0)
    }

    mutating func add(_ other: Candidate) {
      numbers.formUnion(other.numbers)
      predictors.formUnion(other.predictors)
      largest = max(largest, other.largest)
      tensors += other.tensors
    }
  }
}

/// A number between the dots of a tensor's name.
struct NumberedComponent {
  /// What stands before it, without the dot.
  let prefix: Substring
  let value: Int
  /// What follows, without the dot.
  let rest: Substring

  /// The last component before the number.
  var list: Substring {
    prefix.utf8.lastIndex(of: UInt8(ascii: ".")).map { prefix[prefix.utf8.index(after: $0)...] } ?? prefix
  }
}

/// The numbers between the dots of a tensor's name, except its first and last component, from the left.
struct NumberedComponents: Sequence, IteratorProtocol {
  private let name: String
  private var position: String.Index

  init(_ name: String) {
    self.name = name
    position = name.startIndex
  }

  mutating func next() -> NumberedComponent? {
    let bytes = name.utf8
    while let dot = bytes[position...].firstIndex(of: UInt8(ascii: ".")) {
      position = bytes.index(after: dot)
      guard let end = bytes[position...].firstIndex(of: UInt8(ascii: ".")) else {
        position = bytes.endIndex
        return nil
      }
      let digits = bytes[position..<end]
      guard dot > name.startIndex, !digits.isEmpty, digits.allSatisfy({ (0x30...0x39).contains($0) }),
        let value = Int(name[position..<end])
      else { continue }
      return NumberedComponent(
        prefix: name[..<dot], value: value, rest: name[bytes.index(after: end)...])
    }
    position = bytes.endIndex
    return nil
  }
}
