// The types of answers and of bodies that the official client declares, gathered for a JSON schema.
import type {
  AppendBlockChildrenParameters,
  AppendBlockChildrenResponse,
  BlockObjectResponse,
  CommentObjectResponse,
  CreateCommentParameters,
  CreateDatabaseParameters,
  CreateDataSourceParameters,
  CreatePageParameters,
  DatabaseObjectResponse,
  DataSourceObjectResponse,
  FileUploadObjectResponse,
  GetPageMarkdownResponse,
  GetPagePropertyResponse,
  ListBlockChildrenResponse,
  ListCommentsResponse,
  ListFileUploadsResponse,
  ListUsersResponse,
  PageObjectResponse,
  QueryDataSourceParameters,
  QueryDataSourceResponse,
  SearchParameters,
  SearchResponse,
  UpdateBlockParameters,
  UpdateDataSourceParameters,
  UpdatePageParameters,
  UserObjectResponse,
} from "@notionhq/client";

export interface Answers {
  append: AppendBlockChildrenResponse;
  block: BlockObjectResponse;
  blocks: ListBlockChildrenResponse;
  comment: CommentObjectResponse;
  comments: ListCommentsResponse;
  data_source: DataSourceObjectResponse;
  database: DatabaseObjectResponse;
  markdown: GetPageMarkdownResponse;
  page: PageObjectResponse;
  property: GetPagePropertyResponse;
  query: QueryDataSourceResponse;
  search: SearchResponse;
  upload: FileUploadObjectResponse;
  uploads: ListFileUploadsResponse;
  user: UserObjectResponse;
  users: ListUsersResponse;
}

export interface Bodies {
  append_blocks: AppendBlockChildrenParameters;
  comment: CreateCommentParameters;
  create_data_source: CreateDataSourceParameters;
  create_database: CreateDatabaseParameters;
  create_page: CreatePageParameters;
  query: QueryDataSourceParameters;
  search: SearchParameters;
  update_block: UpdateBlockParameters;
  update_data_source: UpdateDataSourceParameters;
  update_page: UpdatePageParameters;
}
