// Descriptions as TOML: parsing, overrides, embedding, canonical text. The only room that knows toml++.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace lpl {

class Table;

// The files that a description was read from, as absolute paths.
struct DescriptionFiles {
  std::vector<std::string> texts;  // it and its models
  std::vector<std::string> data;   // named by Table::file()
};

// A parsed description file with its overrides applied.
class Document {
 public:
  // Reads and parses `path`. Throws ConfigError with line and column.
  static Document from_file(const std::string& path);
  // Parses `text`; `name` stands for the file in messages.
  static Document from_text(std::string_view text, const std::string& name);

  Document(Document&&) noexcept;
  Document& operator=(Document&&) noexcept;
  ~Document();

  // Applies one "--set a.b.c=VALUE". VALUE is read as TOML, and as a plain string where it is none.
  // Members of lists of tables are addressed by their `name`; tables that are not there are made. Throws ConfigError.
  void set(const std::string& assignment);

  // True where [section.name] stands in the document.
  bool has_section(const std::string& section, const std::string& name) const;
  // Whether the text `value` stands under `key` at the top.
  bool says(const std::string& key, std::string_view value) const;
  // Moves the whole of `other` in as [section.name].
  void embed(const std::string& section, const std::string& name, Document other);

  // The strings under key `key` of the table `list` and of its members, or of every table in the list of that name
  // (unread, unchecked: for finding references).
  std::vector<std::string> strings_in(const std::string& list, const std::string& key) const;

  // The table to read from. The document must outlive it.
  Table root();
  // Everything read so far, defaults included, as TOML. Reading it again gives the same text.
  std::string canonical_text() const;
  // The same without `keys` of the table `list`, or of the last table in the list of that name.
  std::string canonical_text_without(const std::string& list, const std::vector<std::string>& keys) const;
  const DescriptionFiles& files() const;
  // The file's folder; relative paths inside the description start here.
  const std::string& folder() const;

 private:
  struct Content;
  explicit Document(std::unique_ptr<Content> content);
  std::unique_ptr<Content> content_;
  friend class Table;
};

}  // namespace lpl
