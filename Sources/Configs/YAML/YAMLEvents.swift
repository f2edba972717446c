internal import CYaml

/// libyaml's parser as a source of Swift values.
final class YAMLEvents {
  struct Event {
    enum Kind: Equatable {
      case streamEnd, documentStart, sequenceStart, mappingStart
      /// The end of a sequence or mapping.
      case collectionEnd
      case alias(String)
      case scalar(String, isPlain: Bool)
      /// The begin of the stream, the end of a document.
      case other
    }

    let kind: Kind
    let place: Place
    let anchor: String?
  }

  let file: String
  /// On the heap, because libyaml keeps a pointer to it within it.
  private let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
  private let bytes: UnsafeMutableBufferPointer<UInt8>

  /// Events of a text that is valid UTF-8.
  init(_ text: [UInt8], file: String) {
    self.file = file
    bytes = .allocate(capacity: text.count)
    _ = bytes.initialize(from: text)
    parser.initialize(to: yaml_parser_t())
    // It fails only where memory does.
    precondition(yaml_parser_initialize(parser) == 1)
    yaml_parser_set_input_string(parser, UnsafePointer(bytes.baseAddress), bytes.count)
  }

  deinit {
    yaml_parser_delete(parser)
    parser.deallocate()
    bytes.deallocate()
  }

  /// The next event; after the last, `streamEnd`.
  func next() throws(ConfigError) -> Event {
    var event = yaml_event_t()
    guard yaml_parser_parse(parser, &event) == 1 else { throw failure() }
    defer { yaml_event_delete(&event) }
    var anchor: UnsafeMutablePointer<yaml_char_t>?
    let kind: Event.Kind
    switch event.type {
    case YAML_STREAM_END_EVENT, YAML_NO_EVENT: kind = .streamEnd
    case YAML_DOCUMENT_START_EVENT: kind = .documentStart
    case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT: kind = .collectionEnd
    case YAML_ALIAS_EVENT: kind = .alias(text(event.data.alias.anchor))
    case YAML_SCALAR_EVENT:
      let scalar = event.data.scalar
      anchor = scalar.anchor
      let value = UnsafeBufferPointer(start: scalar.value, count: scalar.length)
      kind = .scalar(
        String(decoding: value, as: UTF8.self),
        isPlain: scalar.style == YAML_PLAIN_SCALAR_STYLE && text(scalar.tag) != "tag:yaml.org,2002:str")
    case YAML_SEQUENCE_START_EVENT:
      anchor = event.data.sequence_start.anchor
      kind = .sequenceStart
    case YAML_MAPPING_START_EVENT:
      anchor = event.data.mapping_start.anchor
      kind = .mappingStart
    default: kind = .other
    }
    return Event(kind: kind, place: place(event.start_mark), anchor: anchor.map(text))
  }

  private func failure() -> ConfigError {
    let state = parser.pointee
    let problem = state.problem.map { String(cString: $0) } ?? "out of memory"
    if state.error == YAML_READER_ERROR {
      let place = self.place(ofByte: state.problem_offset)
      return ConfigError(
        .syntax(problem: problem, context: nil, contextPlace: nil, isTab: false), at: place, in: file)
    }
    let place = self.place(state.problem_mark)
    if problem.hasPrefix("Maximum nesting level") {
      return ConfigError(.nestedTooDeep(limit: YAMLReader.maximumDepth), at: place, in: file)
    }
    let context = state.context.map { String(cString: $0) }
    let contextPlace = self.place(state.context_mark)
    let index = state.problem_mark.index
    return ConfigError(
      .syntax(
        problem: problem, context: context,
        contextPlace: context == nil || contextPlace == place ? nil : contextPlace,
        isTab: isTab(at: index)),
      at: place, in: file)
  }

  /// Whether the character of that number, counted in Unicode scalars, is a tab.
  private func isTab(at index: Int) -> Bool {
    let scalars = String(decoding: bytes, as: UTF8.self).unicodeScalars
    return scalars.dropFirst(index).first == "\t"
  }

  private func place(ofByte offset: Int) -> Place {
    var place = Place(line: 1, column: 1)
    for scalar in String(decoding: bytes.prefix(offset), as: UTF8.self).unicodeScalars {
      place.advance(over: scalar)
    }
    return place
  }

  private func place(_ mark: yaml_mark_t) -> Place { Place(line: mark.line + 1, column: mark.column + 1) }

  private func text(_ pointer: UnsafeMutablePointer<yaml_char_t>?) -> String {
    pointer.map { String(cString: $0) } ?? ""
  }
}
