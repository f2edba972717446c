/// A list of layers found in tensor names.
struct LayerStack {
  /// What stands before the layer's number, such as `model.layers`.
  let prefix: String
  /// The largest number and one.
  let count: Int

  /// What model code calls its list of layers. The entries of other numbered lists (experts, the parts of
  /// a `Sequential`) are no layers.
  private static let listNames: Set<Substring> = [
    "layers", "layer", "h", "block", "blocks", "resblocks", "hidden_layers", "encoder_layers",
    "decoder_layers", "transformer_layers", "transformer_blocks", "mamba_layers", "albert_layer_groups",
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
  /// or else the known names without regard to the parts.
  static func find(in names: some Collection<String>) -> [LayerStack] {
    var nested: [String: Candidate] = [:]
    var flat: [String: Candidate] = [:]
    var unknown: [String: Candidate] = [:]
    for name in names {
      var outermost: NumberedComponent?
      var isKnown = false
      for number in NumberedComponents(name) where number.value <= largestNumber {
        outermost = outermost ?? number
        guard listNames.contains(number.list), !isAuxiliary(number.prefix) else { continue }
        let key = String(number.prefix)
        if number.rest.utf8.contains(UInt8(ascii: ".")) {
          nested[key, default: Candidate()].add(number)
        } else {
          flat[key, default: Candidate()].add(number)
        }
        isKnown = true
        break
      }
      if !isKnown, let outermost, outermost.rest.utf8.contains(UInt8(ascii: ".")),
        !isAuxiliary(outermost.prefix)
      {
        unknown[String(outermost.prefix), default: Candidate()].add(outermost)
      }
    }
    for (prefix, candidate) in flat { nested[prefix]?.add(candidate) }
    let found: [String: Candidate]
    if !nested.isEmpty {
      found = nested
    } else {
      let lists = unknown.filter { $0.value.isContiguous }
      let largest = lists.max { ($0.value.tensors, $1.key) < ($1.value.tensors, $0.key) }
      found = largest.map { [$0.key: $0.value] } ?? flat
    }
    return found.map { LayerStack(prefix: $0.key, count: $0.value.largest + 1) }
      .sorted { $0.prefix < $1.prefix }
  }

  private static func isAuxiliary(_ prefix: Substring) -> Bool {
    prefix.split(separator: ".").contains { auxiliaryNames.contains($0) }
  }

  private struct Candidate {
    private var numbers: Set<Int> = []
    private(set) var largest = 0
    private(set) var tensors = 0

    /// Whether there are several entries, and none is missing.
    var isContiguous: Bool { largest > 0 && numbers.count == largest + 1 }

    mutating func add(_ number: NumberedComponent) {
      numbers.insert(number.value)
      largest = max(largest, number.value)
      tensors += 1
    }

    mutating func add(_ other: Candidate) {
      numbers.formUnion(other.numbers)
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
