/// A model as a config names it.
struct ModelReference: Sendable, Hashable {
  /// A directory, a file, or a repository such as `org/name`.
  var path: String
  /// A branch, tag or commit of the repository.
  var revision: String?

  /// As a config and `mk.model` write it: `org/name@main`.
  var text: String { revision.map { "\(path)@\($0)" } ?? path }
}

/// A model where the config names it.
struct PlacedModel: Sendable {
  var reference: ModelReference
  var place: Place
}

extension MergeReader {
  static let modelKeys = ["model", "lora", "override_architecture"]

  /// Reads `path@revision+adapter@revision`, or a mapping of `model`, `lora` and `override_architecture`.
  func model(_ node: YAMLNode, _ path: KeyPath) throws(ConfigError) -> PlacedModel {
    if let text = node.text {
      let parts = text.split(separator: "+", maxSplits: 2, omittingEmptySubsequences: false)
      if parts.count > 2 { throw error(.severalAdapters(text), node, path) }
      let reference = try repository(String(parts[0]), node, path)
      if parts.count == 2 {
        _ = try repository(String(parts[1]), after: ("+", text), node, path)
        throw error(.adapter, node, path)
      }
      return PlacedModel(reference: reference, place: node.place)
    }
    guard node.mapping != nil else { throw error(.expected("a model", found: node.found), node, path) }
    let entries = try known(node, path, keys: Self.modelKeys)
    guard let model = entries["model"] else { throw error(.missing("model"), node, path) }
    let reference = try modelPath(model, path.key("model"))
    if let lora = entries["lora"] {
      _ = try modelPath(lora, path.key("lora"))
      throw error(.adapter, lora, path.key("lora"))
    }
    if let architecture = entries["override_architecture"] {
      throw error(.overrideArchitecture, architecture, path.key("override_architecture"))
    }
    return PlacedModel(reference: reference, place: model.place)
  }

  /// Reads `path@revision`, or a mapping of `path` and `revision`.
  private func modelPath(_ node: YAMLNode, _ path: KeyPath) throws(ConfigError) -> ModelReference {
    if let text = node.text { return try repository(text, node, path) }
    guard node.mapping != nil else { throw error(.expected("a model", found: node.found), node, path) }
    let entries = try known(node, path, keys: ["path", "revision"])
    guard let name = entries["path"] else { throw error(.missing("path"), node, path) }
    return ModelReference(
      path: try text(name, path.key("path"), "a path or the name of a repository"),
      revision: try entries["revision"].map { (node) throws(ConfigError) in
        try text(node, path.key("revision"), "a branch, tag or commit")
      })
  }

  private func repository(
    _ text: String, after mark: (String, in: String)? = nil, _ node: YAMLNode, _ path: KeyPath
  ) throws(ConfigError) -> ModelReference {
    let parts = text.split(separator: "@", maxSplits: 2, omittingEmptySubsequences: false)
    if parts.count > 2 { throw error(.severalRevisions(text), node, path) }
    if parts[0].isEmpty {
      if let mark { throw error(.emptyPart(mark.in, after: mark.0), node, path) }
      throw error(.expected("a model", found: "'\(text)'"), node, path)
    }
    if parts.count == 2, parts[1].isEmpty { throw error(.emptyPart(text, after: "@"), node, path) }
    return ModelReference(path: String(parts[0]), revision: parts.count == 2 ? String(parts[1]) : nil)
  }
}
