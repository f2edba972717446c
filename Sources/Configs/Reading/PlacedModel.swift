import Basics

/// A model where the config names it.
///
/// What the `@` and `+` of its reference mean depends on the files that there are, and is found when it is opened;
/// its text is the same whatever they mean.
struct PlacedModel: Sendable {
  var reference: ModelReference
  var place: Place
}

extension MergeReader {
  static let modelKeys = ["model", "lora", "override_architecture"]

  /// Reads a reference, or a mapping of `model`, `lora` and `override_architecture`.
  func model(_ node: YAMLNode, _ path: KeyPath) throws(ConfigError) -> PlacedModel {
    if node.text != nil {
      return PlacedModel(reference: try modelPath(node, path), place: node.place)
    }
    guard node.mapping != nil else { throw error(.expected("a model", found: node.found), node, path) }
    let entries = try known(node, path, keys: Self.modelKeys)
    guard let model = entries["model"] else {
      throw missing("model", in: node, path, keys: Self.modelKeys)
    }
    var reference = try modelPath(model, path.key("model"))
    if let lora = entries["lora"] { reference.adapters.append(try modelPath(lora, path.key("lora")).base) }
    if let architecture = entries["override_architecture"] {
      warn(.overrideArchitecture, at: architecture.place, path.key("override_architecture"))
    }
    return PlacedModel(reference: reference, place: model.place)
  }

  /// Reads `path@revision`, or a mapping of `path` and `revision`.
  private func modelPath(_ node: YAMLNode, _ path: KeyPath) throws(ConfigError) -> ModelReference {
    if node.text != nil { return ModelReference(unresolved: try modelName(node, path, "a model")) }
    guard node.mapping != nil else { throw error(.expected("a model", found: node.found), node, path) }
    let keys = ["path", "revision"]
    let entries = try known(node, path, keys: keys)
    guard let name = entries["path"] else { throw missing("path", in: node, path, keys: keys) }
    var location = ModelReference.Location(
      splitting: try modelName(name, path.key("path"), "a path or the name of a repository"))
    if let revision = entries["revision"] {
      location = ModelReference.Location(
        name: location.text, revision: try text(revision, path.key("revision"), "a branch, tag or commit"))
    }
    return ModelReference(base: location)
  }

  /// Reads a name that is not `model:NAME`, as early versions of mergekit had it.
  private func modelName(
    _ node: YAMLNode, _ path: KeyPath, _ expected: String
  ) throws(ConfigError) -> String {
    let name = try text(node, path, expected)
    let old = "model:"
    if name.hasPrefix(old), name != old {
      throw error(.oldModelName(model: String(name.dropFirst(old.count))), node, path)
    }
    return name
  }
}
