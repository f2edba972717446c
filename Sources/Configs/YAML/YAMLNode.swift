/// A value of a YAML file. A node that aliases name stands in several places of the tree.
final class YAMLNode: Sendable {
  /// One entry of a mapping.
  struct Entry: Sendable {
    let key: String
    let keyPlace: Place
    let value: YAMLNode
  }

  enum Content: Sendable {
    /// Text; `isPlain` if it has neither quotes nor the tag `!!str`, so that it may be a number or the like.
    case scalar(String, isPlain: Bool)
    case sequence([YAMLNode])
    /// Keys are distinct; merge keys (`<<`) are resolved.
    case mapping([Entry])
  }

  let content: Content
  /// Where it begins; for an alias, where what it names begins.
  let place: Place
  /// Whether an anchor names it, or something in it.
  let containsAnchor: Bool
  /// The nodes of the tree from here, where what several aliases name counts as often as it is named.
  let expandedCount: Int
  /// The levels of the tree from here, 1 for a scalar.
  let depth: Int

  init(_ content: Content, at place: Place, hasAnchor: Bool) {
    self.content = content
    self.place = place
    var children: [YAMLNode] = []
    switch content {
    case .scalar: break
    case .sequence(let items): children = items
    case .mapping(let entries): children = entries.map(\.value)
    }
    containsAnchor = hasAnchor || children.contains(where: \.containsAnchor)
    // Entries come from a limited file, so that the sum does not overflow.
    expandedCount = children.reduce(1) { $0 + $1.expandedCount }
    depth = 1 + (children.lazy.map(\.depth).max() ?? 0)
  }

  /// What stands here, for messages: `'half'`, `a list`, `nothing`.
  var found: String {
    switch content {
    case .scalar(let text, _): isNull ? "nothing" : "'\(abbreviated(text))'"
    case .sequence: "a list"
    case .mapping: "a mapping"
    }
  }

  /// Whether it is `~`, `null` or left empty.
  var isNull: Bool {
    guard case .scalar(let text, isPlain: true) = content else { return false }
    return ["", "~", "null", "Null", "NULL"].contains(text)
  }

  /// The text of a scalar that is not null.
  var text: String? {
    guard case .scalar(let text, _) = content, !isNull else { return nil }
    return text
  }

  var sequence: [YAMLNode]? {
    if case .sequence(let items) = content { items } else { nil }
  }

  var mapping: [Entry]? {
    if case .mapping(let entries) = content { entries } else { nil }
  }

  /// The value of a key, if this is a mapping that has it and it is not null.
  subscript(key: String) -> YAMLNode? {
    guard let value = mapping?.first(where: { $0.key == key })?.value, !value.isNull else { return nil }
    return value
  }

  /// The first line of a text, cut to what a message can show.
  private func abbreviated(_ text: String) -> String {
    let line = text.prefix { !$0.isNewline }
    let short = line.prefix(60)
    return short.endIndex < text.endIndex ? short + "…" : String(short)
  }
}
