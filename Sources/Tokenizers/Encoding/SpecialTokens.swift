/// The special tokens that a model's files name by their roles, as texts.
package struct SpecialTokens: Sendable, Equatable {
  /// What a token stands for, by the word before `_token` in the files.
  package enum Role: String, Sendable, CaseIterable {
    case bos, eos, unk, pad, cls, sep, mask
  }

  private var tokens: [Role: String] = [:]

  package init(_ tokens: [Role: String] = [:]) {
    self.tokens = tokens
  }

  /// The token of a role, if the files name one.
  package subscript(role: Role) -> String? {
    get { tokens[role] }
    set { tokens[role] = newValue }
  }
}
