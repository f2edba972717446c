import Basics

/// Reads the documents of a YAML file.
///
/// It follows libyaml's events (the parser that Yams wraps) and not the nodes of Yams, for three reasons:
/// both places of a duplicate key are known, keys are compared as text (Yams hashes whole trees, which
/// aliases can make exponentially large), and neither regular expressions nor Foundation are needed.
struct YAMLReader {
  /// More levels than any config has; what follows recurses over them.
  static let maximumDepth = 64
  /// More values than any config has, counting what aliases name at every use.
  static let maximumExpandedCount = 100_000

  /// A key that its mapping has already; its value takes the place of the earlier one.
  struct RepeatedKey: Sendable {
    let name: String
    let place: Place
    let first: Place
  }

  /// The documents of a file, without those that are empty, and the keys that are given again.
  static func documents(
    of bytes: [UInt8], file: String
  ) throws(ConfigError) -> ([YAMLNode], [RepeatedKey]) {
    if let place = firstInvalidUTF8(in: bytes) {
      throw ConfigError(.notUTF8(byte: place.byte), at: place.place, in: file)
    }
    if let (problem, place) = damageOfCopying(in: bytes) { throw ConfigError(problem, at: place, in: file) }
    var reader = YAMLReader(YAMLEvents(bytes, file: file))
    var documents: [YAMLNode] = []
    while true {
      let event = try reader.events.next()
      switch event.kind {
      case .streamEnd: return (documents, reader.repeatedKeys)
      case .documentStart:
        reader.anchors = [:]
        let node = try reader.node(from: reader.events.next(), depth: 1)
        if !node.isNull { documents.append(node) }
      default: break
      }
    }
  }

  private let events: YAMLEvents
  private var anchors: [String: YAMLNode] = [:]
  /// The anchors of the collections that are being read.
  private var openAnchors: [String] = []
  private var expandedCount = 0
  private var repeatedKeys: [RepeatedKey] = []

  private init(_ events: YAMLEvents) { self.events = events }

  private func error(_ problem: ConfigProblem, at place: Place) -> ConfigError {
    ConfigError(problem, at: place, in: events.file)
  }

  private mutating func node(from event: YAMLEvents.Event, depth: Int) throws(ConfigError) -> YAMLNode {
    if depth > Self.maximumDepth { throw error(.nestedTooDeep(limit: Self.maximumDepth), at: event.place) }
    expandedCount += 1
    let content: YAMLNode.Content
    switch event.kind {
    case .alias(let name): return try alias(name, at: event.place, depth: depth)
    case .scalar(let text, let isPlain): content = .scalar(text, isPlain: isPlain)
    case .sequenceStart:
      if let anchor = event.anchor { openAnchors.append(anchor) }
      var items: [YAMLNode] = []
      while case let item = try events.next(), item.kind != .collectionEnd {
        items.append(try node(from: item, depth: depth + 1))
      }
      content = .sequence(items)
    default:
      if let anchor = event.anchor { openAnchors.append(anchor) }
      content = .mapping(try entries(depth: depth))
    }
    let node = YAMLNode(content, at: event.place, hasAnchor: event.anchor != nil)
    if let anchor = event.anchor {
      if openAnchors.last == anchor { openAnchors.removeLast() }
      anchors[anchor] = node
    }
    return node
  }

  private mutating func alias(_ name: String, at place: Place, depth: Int) throws(ConfigError) -> YAMLNode {
    if openAnchors.contains(name) { throw error(.recursiveAlias(name: name), at: place) }
    guard let node = anchors[name] else {
      let nearest = nearestName(to: name, among: anchors.keys.sorted())
      throw error(.undefinedAlias(name: name, nearest: nearest), at: place)
    }
    expandedCount += node.expandedCount
    if expandedCount > Self.maximumExpandedCount {
      throw error(.expandedTooFar(limit: Self.maximumExpandedCount), at: place)
    }
    if depth + node.depth > Self.maximumDepth {
      throw error(.nestedTooDeep(limit: Self.maximumDepth), at: place)
    }
    return node
  }

  /// The entries of a mapping up to its end: those of merge keys first, the first source of a key wins and
  /// keys of the mapping itself win over all (https://yaml.org/type/merge.html). Of a key that is given again,
  /// the last value counts.
  private mutating func entries(depth: Int) throws(ConfigError) -> [YAMLNode.Entry] {
    var own: [YAMLNode.Entry] = []
    var merged: [YAMLNode.Entry] = []
    var places: [String: (first: Place, index: Int)] = [:]
    var mergedKeys: Set<String> = []
    while case let event = try events.next(), event.kind != .collectionEnd {
      let key = try node(from: event, depth: depth + 1)
      let value = try node(from: events.next(), depth: depth + 1)
      guard case .scalar(let name, let isPlain) = key.content else {
        throw error(.keyNotName(found: key.found), at: event.place)
      }
      let isMergeKey = name == "<<" && isPlain
      let entry = YAMLNode.Entry(key: name, keyPlace: event.place, value: value)
      if let (first, index) = places[name] {
        // Two merge keys would not take each other's place.
        guard !isMergeKey, own.indices.contains(index), own[index].key == name else {
          let problem = ConfigProblem.duplicateKey(first: first, isWarning: false)
          throw ConfigError(problem, at: event.place, KeyPath().key(name), in: events.file)
        }
        repeatedKeys.append(RepeatedKey(name: name, place: event.place, first: first))
        own[index] = entry
        continue
      }
      places[name] = (event.place, own.count)
      guard isMergeKey else {
        own.append(entry)
        continue
      }
      for source in value.sequence ?? [value] {
        guard let entries = source.mapping else {
          throw error(.mergeKeyValue(found: source.found), at: source.place)
        }
        for entry in entries where mergedKeys.insert(entry.key).inserted { merged.append(entry) }
      }
    }
    return merged.filter { places[$0.key] == nil } + own
  }
}

/// What copying a config out of a page or a chat leaves in it: a code fence, or non-breaking spaces as indentation,
/// which YAML takes as a part of keys.
private func damageOfCopying(in bytes: [UInt8]) -> (problem: ConfigProblem, place: Place)? {
  var isFirst = true
  let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
  for (number, line) in lines.enumerated() {
    let indented = String(decoding: line, as: UTF8.self).unicodeScalars
    let rest = indented.drop(while: { [" ", "\t", "\r", "\u{FEFF}"].contains($0) })
    guard let first = rest.first else { continue }
    let column = indented.distance(from: indented.startIndex, to: rest.startIndex) + 1
    let place = Place(line: number + 1, column: column)
    if isFirst, rest.starts(with: "```".unicodeScalars) { return (.codeFence, place) }
    isFirst = false
    // Lines of a text, such as a chat template, may begin as they like.
    guard line.contains(UInt8(ascii: ":")) else { continue }
    let content = rest.drop(while: { $0 == "-" || $0 == " " })
    let starts = [first, content.first ?? first]
    if let odd = starts.first(where: { oddSpaces.contains($0) }) {
      return (.oddSpace(scalar: odd.value), place)
    }
  }
  return nil
}

/// Spaces that look like the plain one, and are none to YAML.
private let oddSpaces: Set<Unicode.Scalar> = ["\u{A0}", "\u{2007}", "\u{202F}", "\u{3000}"]

/// The first byte that is not UTF-8, and its place.
private func firstInvalidUTF8(in bytes: [UInt8]) -> (byte: UInt8, place: Place)? {
  var decoder = UTF8()
  var iterator = bytes.makeIterator()
  var offset = 0
  var place = Place(line: 1, column: 1)
  while true {
    switch decoder.decode(&iterator) {
    case .emptyInput: return nil
    case .error: return (bytes[offset], place)
    case .scalarValue(let scalar):
      offset += UTF8.width(scalar)
      place.advance(over: scalar)
    }
  }
}

extension Place {
  mutating func advance(over scalar: Unicode.Scalar) {
    if scalar == "\n" {
      line += 1
      column = 1
    } else {
      column += 1
    }
  }
}
