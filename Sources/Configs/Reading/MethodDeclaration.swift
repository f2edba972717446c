/// What a merge method takes, as its `mk.method` declares it: what a config must know to be translated.
package struct MethodDeclaration: Sendable, Equatable {
  /// One parameter, shared or of each input.
  package struct Parameter: Sendable, Equatable {
    /// What values may be.
    package enum ValueType: String, Sendable {
      case number, integer, boolean, string
      /// Tensors, which a config gives as the path of a model that has them.
      case tensor
    }

    /// What recipes and configs call it.
    package var name: String
    /// What a value of it is.
    package var type: ValueType
    /// Whether it has no default.
    package var isRequired: Bool
    /// Whether every input has its own value.
    package var isPerInput: Bool
    /// Whether the base has a value of it too; for parameters of inputs.
    package var appliesToBase: Bool

    package init(
      name: String, type: ValueType, isRequired: Bool = false, isPerInput: Bool = false,
      appliesToBase: Bool = false
    ) {
      self.name = name
      self.type = type
      self.isRequired = isRequired
      self.isPerInput = isPerInput
      self.appliesToBase = appliesToBase
    }
  }

  /// What messages call it.
  package var name: String
  /// All that it takes, shared ones and those of inputs.
  package var parameters: [Parameter]

  package init(name: String, parameters: [Parameter] = []) {
    self.name = name
    self.parameters = parameters
  }

  /// The parameter of that name.
  func parameter(_ name: String) -> Parameter? { parameters.first { $0.name == name } }
}
