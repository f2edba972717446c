/// A model as a user names it: a path or a repository of the hub, perhaps at a revision, perhaps with adapters on it.
///
///     models/base              a path
///     org/name@main            a repository at a revision
///     models/base+loras/style  a model with an adapter
///
/// What `@` and `+` mean depends on what there is: a directory may have either in its name.
package struct ModelReference: Hashable, Sendable {
  /// A path or a name, and a branch, tag or commit of it.
  package struct Location: Hashable, Sendable {
    /// A directory, a file, or a repository such as `org/name`.
    package var name: String
    /// What follows the `@`.
    package var revision: String?

    package init(name: String, revision: String? = nil) {
      self.name = name
      self.revision = revision
    }

    /// As a user writes it: `org/name@main`.
    package var text: String { revision.map { "\(name)@\($0)" } ?? name }

    /// Whether it looks like a repository of the hub.
    package var isHubName: Bool { Self.isHubName(name) }

    /// Whether a text is `org/name` by the hub's rules.
    package static func isHubName(_ text: String) -> Bool {
      let parts = text.split(separator: "/", omittingEmptySubsequences: false)
      return parts.count == 2
        && parts.allSatisfy { part in
          guard let first = part.first, !".-~".contains(first) else { return false }
          return part.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_.".contains($0)) }
        }
    }
  }

  /// What the adapters are put on.
  package var base: Location
  /// The adapters, in the order in which they are put on.
  package var adapters: [Location]

  package init(base: Location, adapters: [Location] = []) {
    self.base = base
    self.adapters = adapters
  }

  /// As a user writes it.
  package var text: String { ([base] + adapters).map(\.text).joined(separator: "+") }

  /// Reads a reference. `exists` says what names something.
  ///
  /// What exists as it stands is taken as it stands. Else the last `+` that has something meaningful on both sides
  /// separates an adapter: something that exists, at a revision or not, or looks like a repository. Where none has,
  /// it is the last with any text on both sides, so that an error can tell which is missing.
  package init(parsing text: String, exists: (_ name: String) -> Bool) {
    let found = Self.meaning(of: text, exists: exists)
    self = found ?? Self.guess(text, exists: exists)
  }

  /// A reference of which nothing is known of what exists; its text is the given one.
  package init(unresolved text: String) { self.init(parsing: text) { _ in false } }

  /// What a text means if every part of it is meaningful.
  private static func meaning(of text: String, exists: (String) -> Bool) -> ModelReference? {
    if let location = Location(meaningful: text, exists: exists) { return ModelReference(base: location) }
    for (left, right) in splits(text) {
      guard let adapter = Location(meaningful: right, exists: exists),
        var reference = meaning(of: left, exists: exists)
      else { continue }
      reference.adapters.append(adapter)
      return reference
    }
    return nil
  }

  private static func guess(_ text: String, exists: (String) -> Bool) -> ModelReference {
    for (left, right) in splits(text) {
      guard var reference = meaning(of: left, exists: exists) else { continue }
      reference.adapters.append(Location(splitting: right))
      return reference
    }
    // Each that has text on both sides separates.
    var parts: [String] = [""]
    for (index, character) in zip(text.indices, text) {
      let isLast = text.index(after: index) == text.endIndex
      if character == "+", parts.last != "", !isLast {
        parts.append("")
      } else {
        parts[parts.count - 1].append(character)
      }
    }
    let locations = parts.map(Location.init(splitting:))
    return ModelReference(base: locations[0], adapters: Array(locations.dropFirst()))
  }

  /// The texts around each `+` that has some on both sides, the last first; a text made of hundreds of them is no
  /// reference.
  private static func splits(_ text: String) -> [(left: String, right: String)] {
    text.indices.reversed().filter { text[$0] == "+" }.prefix(64).map { plus in
      (String(text[..<plus]), String(text[text.index(after: plus)...]))
    }.filter { !$0.0.isEmpty && !$0.1.isEmpty }
  }
}

extension ModelReference.Location {
  /// A name up to the first `@`, and the revision after it.
  package init(splitting text: String) {
    guard let at = text.firstIndex(of: "@"), at > text.startIndex else {
      self.init(name: text)
      return
    }
    self.init(name: String(text[..<at]), revision: String(text[text.index(after: at)...]))
  }

  /// What exists as it stands, or at a revision, or looks like a repository.
  fileprivate init?(meaningful text: String, exists: (String) -> Bool) {
    if exists(text) {
      self.init(name: text)
      return
    }
    self.init(splitting: text)
    // A `+` after the `@` begins an adapter.
    guard !name.isEmpty, isHubName || exists(name), revision?.contains("+") != true else { return nil }
  }
}
