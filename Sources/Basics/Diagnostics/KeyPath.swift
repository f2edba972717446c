/// The way to a value from the top of its table or document: `models[2].parameters.weight`, lists from 1.
///
/// It shadows Swift's own `KeyPath`, which few files need; they say `Swift.KeyPath`.
package struct KeyPath: Hashable, Sendable {
  package enum Step: Hashable, Sendable {
    /// A field of a table or mapping.
    case key(String)
    /// An entry of a list, counted from 1.
    case item(Int)
  }

  package var steps: [Step]

  package init(_ steps: [Step] = []) { self.steps = steps }

  /// The path that a description says: names with dots between them, and numbers in brackets.
  ///
  ///     KeyPath(parsing: "models[2].weight").steps  // [.key("models"), .item(2), .key("weight")]
  ///
  /// Names that have dots or brackets of their own are cut at them; the description stays the same.
  package init(parsing text: String) {
    steps = []
    for part in text.split(separator: ".", omittingEmptySubsequences: false) {
      var (name, items) = (part, [Int]())
      while name.last == "]", let start = name.lastIndex(of: "["),
        let number = Int(name[name.index(after: start)...].dropLast())
      {
        items.insert(number, at: 0)
        name = name[..<start]
      }
      if !name.isEmpty || items.isEmpty { steps.append(.key(String(name))) }
      steps += items.map(Step.item)
    }
    if text.isEmpty { steps = [] } else if description != text { steps = [.key(text)] }
  }

  /// Whether it is the way to the whole.
  package var isEmpty: Bool { steps.isEmpty }

  /// The path of a value in this mapping.
  package func key(_ name: String) -> KeyPath { KeyPath(steps + [.key(name)]) }

  /// The path of an entry of this list, counted from 1.
  package func item(_ number: Int) -> KeyPath { KeyPath(steps + [.item(number)]) }

  /// The path of what holds the value; `nil` for that of the whole.
  package var parent: KeyPath? { steps.isEmpty ? nil : KeyPath(Array(steps.dropLast())) }

  package static func + (left: KeyPath, right: KeyPath) -> KeyPath { KeyPath(left.steps + right.steps) }
}

extension KeyPath: CustomStringConvertible {
  package var description: String {
    var text = ""
    for step in steps {
      switch step {
      case .key(let name): text += text.isEmpty ? name : ".\(name)"
      case .item(let number): text += "[\(number)]"
      }
    }
    return text
  }
}
