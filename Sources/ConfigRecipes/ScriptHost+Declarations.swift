import Configs
import Lua
import Scripting

extension ScriptHost {
  /// The names of the standard library's methods.
  var methodNames: [String] {
    get throws {
      try evaluate("return require('mergekit.core').method_names()", name: "declarations") { lua in
        var names: [String] = []
        try lua.forEachElement(at: -1) { _ in if let name = lua.string(at: -1) { names.append(name) } }
        return names
      }
    }
  }

  /// The names of what a method takes.
  ///
  /// Throws a `LuaError` for an unknown method, or a file with none.
  package func parameters(ofMethod name: String) throws -> [String] {
    try declaration(ofMethod: name).parameters.map(\.name)
  }

  /// What a method declares: one of the standard library, or a file's in the host's folder.
  ///
  /// Throws a `LuaError` for an unknown method, or a file with none.
  func declaration(ofMethod name: String) throws -> MethodDeclaration {
    let text = "return require('mergekit.describe').declarations(\(quotedString(name)))"
    return try evaluate(text, name: "declarations") { lua in
      var declaration = MethodDeclaration(name: try lua.field("name", at: -1).string ?? name)
      try lua.pushField("parameters", at: -1)
      try lua.forEachElement(at: -1) { _ in
        guard let parameter = try lua.field("name", at: -1).string,
          let type = try lua.field("type", at: -1).string
            .flatMap(MethodDeclaration.Parameter.ValueType.init)
        else { throw LuaError("mergekit.describe: a parameter of method '\(name)' has no name or type") }
        declaration.parameters.append(
          MethodDeclaration.Parameter(
            name: parameter, type: type,
            isRequired: try lua.field("required", at: -1).boolean ?? false,
            isPerInput: try lua.field("per_input", at: -1).boolean ?? false,
            appliesToBase: try lua.field("base", at: -1).boolean ?? false))
      }
      return declaration
    }
  }
}
