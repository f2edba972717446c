extension MergeReader {
  /// The models that one method merges: those of a slice, or all of a merge of whole models.
  struct Group {
    var method: MethodDeclaration
    var sources: [MergeConfig.Source]
    var base: PlacedModel?
    /// Whether the models are merged whole, and not layers of them.
    var isWhole: Bool
    var place: Place
    var path: KeyPath
    var methodPlace: Place
    /// The mappings that may give the base.
    var owners: [(node: YAMLNode, keys: [String])]
    /// The settings around the sources, the innermost first.
    var scopes: [Scope]
  }

  /// Checks a group against what its method declares.
  func check(_ group: Group) throws(ConfigError) {
    let method = group.method
    if method.base == .required, group.base == nil {
      let path = group.isWhole ? KeyPath().key("merge_method") : group.path
      let misspelling = group.owners.lazy
        .compactMap { self.misspelling(of: ["base_model"], in: $0.node, keys: $0.keys) }.first
      throw error(
        .baseMissing(method: method.name, isSlice: !group.isWhole, misspelling: misspelling),
        at: group.methodPlace, path)
    }
    try checkCount(group)
    if ["della", "della_linear"].contains(method.name) {
      for source in group.sources where source.model.reference != group.base?.reference {
        try checkEpsilon(group, source)
      }
    }
  }

  private func checkCount(_ group: Group) throws(ConfigError) {
    let method = group.method
    let isListed = group.sources.contains { $0.model.reference == group.base?.reference }
    var count = group.sources.count
    if method.base == .ignored {
      // A base that is not listed is one more input, if the method can take it, and it has the parameters
      // that inputs must have; else it only gives its files.
      let hasParameters = method.parameters.allSatisfy { parameter in
        !parameter.isPerInput || !parameter.isRequired || group.scopes.contains { $0[parameter.name] != nil }
      }
      if group.base != nil, !isListed, group.isWhole, count < method.maxInputs ?? .max, hasParameters {
        count += 1
      }
    } else if isListed {
      count -= 1
    }
    if count < method.minInputs || count > method.maxInputs ?? .max {
      let problem = ConfigProblem.inputCount(
        method: method.name, min: method.minInputs, max: method.maxInputs,
        isBesideBase: method.base == .required || method.base == .optional && group.base != nil, found: count)
      throw error(problem, at: group.place, group.isWhole ? group.path : group.path.key("sources"))
    }
  }

  /// Probabilities to keep a value run from density - epsilon to density + epsilon.
  private func checkEpsilon(_ group: Group, _ source: MergeConfig.Source) throws(ConfigError) {
    let scopes = [source.parameters] + group.scopes
    guard let epsilonSetting = scopes.lazy.compactMap({ $0["epsilon"] }).first,
      let densitySetting = scopes.lazy.compactMap({ $0["density"] }).first,
      let epsilon = epsilonSetting.number, let density = densitySetting.number,
      density.value > 0, density.value < 1
    else { return }
    if density.value + epsilon.value >= 1 || density.value - epsilon.value <= 0 {
      throw error(
        .epsilonBounds(epsilon: epsilon.lua, density: density.lua), at: epsilonSetting.place,
        epsilonSetting.path)
    }
  }
}
